"""The packed engine: thousands of multiply-adds in one operation on big integers. See README.md in this folder."""
