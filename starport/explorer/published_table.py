"""The fingerprints of docs/FINGERPRINTS.md, written by tools/write_fingerprints.py."""

# fmt: off
# ruff: noqa: E501

MODEL = "d6d1887211afea7097cf832ba9427a24dbe22db3bc09d3538fc879ee69549ed3"
# prompt, engine, precision: of the row from which the token after two greedy ones is drawn
FINGERPRINTS = {
    ("Once upon a time", "reference", "full"): "ad4529bf632a284d1800d535e7bba323bc16a3efd0e9b2a787eefc2effea8686",
    ("Once upon a time", "packed", "full"): "8ccb6530a7892baa9a48bc41d62c5a94cc41100de03e28dbfbbab7f91d72276f",
    ("Once upon a time", "packed", "fast"): "5abee50507aafdec67697cfe29121bac89f3d17333c35928c0a17fd9e449f840",
    ("The little towel", "reference", "full"): "253a2154c0c4e0866780b5312ea721ee719ddd134d850ac51a26de430ec2ce63",
    ("The little towel", "packed", "full"): "8b4059ceef76bc30d6e0cbbc4a4419fa1d5936f6fa74d9b9f371a255c46b8d5a",
    ("The little towel", "packed", "fast"): "8a362ff413984136514550bad0a36d53e762535027012f808122843ed0d88b09",
    ("She said: “Don't be afraid!”", "reference", "full"): "81550cd5aa5bce1c7cfba1a4f56ca129662a7cd052b740555ad983182dea7650",
    ("She said: “Don't be afraid!”", "packed", "full"): "4867a77663a99fa0f974040e019325348adec8fafdd4d173504f9effa6290c09",
    ("She said: “Don't be afraid!”", "packed", "fast"): "1233c5ca6388139912b91c295bfa9a29ac147c0e1df89eb40fc4dc3a598c3a1b",
    ("One day, a fox and a bear went to the river", "reference", "full"): "73b53509fc8ee8847c3eab4788bb7cd30f1765b69157c862c442e40920b01df8",
    ("One day, a fox and a bear went to the river", "packed", "full"): "d6f84cc88b58cac77ac57090238ab09aeac74f0ba6788a51f54a229e98444b78",
    ("One day, a fox and a bear went to the river", "packed", "fast"): "c5ea231c906005297ae0da2972e23442ed1357d07a73247cc8f85b6d7d78f168",
    ("1 + 2 = 3", "reference", "full"): "6468dae925f76684963260aa5d1d41d97f06e791f35a3862b1569c9d584b2943",
    ("1 + 2 = 3", "packed", "full"): "0941f39df55767143d4f7c803537069f416aed97cdf594a9a52176f80f55c4ff",
    ("1 + 2 = 3", "packed", "fast"): "3e1ebf4d1b0234133a6b184c04115941d9ea6641eab9e7c0bec5e22a85355bd5",
}
