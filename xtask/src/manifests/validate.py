"""Checks manifests against the schemas of one release of Kubernetes, nothing unknown allowed.

Arguments: the release, a folder with schemas of kinds that are not Kubernetes's own, files.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

release, folder, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
wrong = []
for file in files:
    with open(file) as stream:
        documents = [document for document in yaml.safe_load_all(stream) if document]
    if not documents:
        wrong.append(f"{file}: nothing in it")
    for document in documents:
        kind = document["kind"]
        own = folder / f"{kind}.schema.json"
        try:
            if own.exists():
                schema = json.loads(own.read_text())
                jsonschema.validate(document, schema, jsonschema.Draft7Validator)
            else:
                used = kubernetes_validate.validate(document, release, strict=True)
                if used != release:
                    wrong.append(f"{file}: no schemas of {release}, but of {used}")
        except jsonschema.ValidationError as error:
            place = ".".join(str(part) for part in error.path)
            wrong.append(f"{file}: {kind}: {place}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            wrong.append(f"{file}: {error.message}")
if wrong:
    sys.exit("\n".join(wrong))
