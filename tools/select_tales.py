"""The text that towel is trained on: the tales that are in the public domain everywhere, as far as we can tell.

    python -m tools.select_tales TALES --out train.txt

TALES is a folder with train.txt (documents with a line <|endoftext|> between them), manifest.tsv (the work that each
document is from, in order) and SOURCES.md (what is known about the works). All are public domain in the United States;
left out are those that may be protected where the law is "life of the author plus 70 years".
"""

import argparse
import csv
from pathlib import Path

from starport.scoring.documents import read_documents

LEFT_OUT = {
    "16981": "Old Peter's Russian Tales: Arthur Ransome died in 1967",
    "14958": 'Mother West Wind "Why" Stories: Thornton W. Burgess died in 1965',
    "5061": "The Children's Book of Christmas Stories: Asa Don Dickinson, editor, died in 1960",
    "473": "Stories to Tell to Children: Sara Cone Bryant died in 1956",
    "11339": "Aesop's Fables: when V. S. Vernon Jones, translator, died is not known",
    "500": "The Adventures of Pinocchio: when Carol Della Chiesa, translator, died is not known",
    "20781": "Heidi: when Elisabeth P. Stork, translator, died is not known",
    "30973": "East of the Sun and West of the Moon: one tale in it is a later translation",
    "27200": "Fairy Tales of Hans Christian Andersen: the translator is not named",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tales", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    documents = read_documents([options.tales / "train.txt"])
    with (options.tales / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        works = [row["work_id"] for row in table if row["split"] == "train"]
    kept = [text for text, work in zip(documents, works, strict=True) if work not in LEFT_OUT]
    options.out.write_text("\n<|endoftext|>\n".join(kept) + "\n", encoding="utf-8", newline="\n")
    for work, reason in LEFT_OUT.items():
        print(f"left out: {works.count(work)} documents of {work}, {reason}")
    print(f"{options.out}: {len(kept)} of {len(documents)} documents, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
