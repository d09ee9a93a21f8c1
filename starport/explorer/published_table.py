"""The fingerprints of docs/FINGERPRINTS.md, written by tools/write_fingerprints.py."""

MODEL = "d6d1887211afea7097cf832ba9427a24dbe22db3bc09d3538fc879ee69549ed3"
# prompt, engine, precision: of the row from which the token after two greedy ones is drawn
FINGERPRINTS = {
    ("Once upon a time", "reference", "full"): "ad4529bf632a284d1800d535e7bba323bc16a3efd0e9b2a787eefc2effea8686",
    ("Once upon a time", "packed", "full"): "8fcae257b7444f4e7edd06bac6743bf6b1328d6f1e42b767d7ed7c819f22da0e",
    ("Once upon a time", "packed", "fast"): "c14388bd24f4e2e63387be7955039cdc95a9506a78de1d242e3526e978f39a2a",
    ("The little towel", "reference", "full"): "253a2154c0c4e0866780b5312ea721ee719ddd134d850ac51a26de430ec2ce63",
    ("The little towel", "packed", "full"): "983c948cd690a9971032af7d36876258c8d172a6c5f4463d500eca373639ae16",
    ("The little towel", "packed", "fast"): "681f16b9e10cc7faf63c2c110c58976f2760ea46c55ec13eb5fe063724ccc12d",
    (
        "She said: “Don't be afraid!”",
        "reference",
        "full",
    ): "81550cd5aa5bce1c7cfba1a4f56ca129662a7cd052b740555ad983182dea7650",
    (
        "She said: “Don't be afraid!”",
        "packed",
        "full",
    ): "5afe00d7a33966a626c388d1be8ed0eb29584e3ed03b56e8ec175087c791f541",
    (
        "She said: “Don't be afraid!”",
        "packed",
        "fast",
    ): "9eef90cdc7ee9bf2c04e65095831f8cc9db75f6d4c57939b9512343fa3151cc1",
    (
        "One day, a fox and a bear went to the river",
        "reference",
        "full",
    ): "73b53509fc8ee8847c3eab4788bb7cd30f1765b69157c862c442e40920b01df8",
    (
        "One day, a fox and a bear went to the river",
        "packed",
        "full",
    ): "b168a1c36bf7bd1347f3ca6474ca3827ca79cc0c92792b8a4427f8798738857b",
    (
        "One day, a fox and a bear went to the river",
        "packed",
        "fast",
    ): "dd19a1ed7e240ac20268465d4886ff4dfddd6468b7bacb3959e373f5c372259c",
    ("1 + 2 = 3", "reference", "full"): "6468dae925f76684963260aa5d1d41d97f06e791f35a3862b1569c9d584b2943",
    ("1 + 2 = 3", "packed", "full"): "9526493afb2fbeee54b081eea439d40d460efc9fcbb4c788c99ad9e771018df0",
    ("1 + 2 = 3", "packed", "fast"): "c02bb401ac2637645a65cf6ed43f28645f19cd2771375293faa18238729dc6e8",
}
