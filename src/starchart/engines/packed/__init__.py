"""The packed engine: thousands of multiply-adds in one, by Python's big integers. README.md beside this tells how."""
