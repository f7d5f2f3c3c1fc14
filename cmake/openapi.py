"""openapi.yaml -> a C file that holds it as compact JSON. Run by the build: openapi.py YAML C-FILE."""
import json
import sys

import yaml


def main(source, target):
    with open(source, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    rows = (text[i:i + 24] for i in range(0, len(text), 24))
    with open(target, "w", encoding="ascii") as file:
        file.write('#include "api/openapi.h"\n\nconst char openapi_json[] = {\n')
        file.writelines("".join(f"(char){byte}," for byte in row) + "\n" for row in rows)
        file.write("0};\nconst size_t openapi_json_size = sizeof openapi_json - 1;\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
