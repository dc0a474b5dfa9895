"""Checks a CDI spec against the schema in the tree of package_tools.sh. Usage: cdi_schema.py SPEC"""
import json
import sys

from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

FOLDER = "/usr/share/cdi-schema/"


def strict(part):
    """Allows no names that the schema doesn't know, as engines do, though it doesn't say so."""
    if isinstance(part, dict):
        if "properties" in part:
            part["additionalProperties"] = False
        for value in part.values():
            strict(value)


def schema(name):
    with open(FOLDER + name) as file:
        return json.load(file)


spec, defs = schema("schema.json"), schema("defs.json")
# The schema of 0.8.0 leaves out what goes into every container.
spec["properties"]["containerEdits"] = {"$ref": "defs.json#/definitions/containerEdits"}
strict(spec)
strict(defs)
registry = Registry().with_resource("defs.json", Resource(contents=defs, specification=DRAFT7))
with open(sys.argv[1]) as file:
    found = [f"{e.json_path}: {e.message}" for e in Draft7Validator(spec, registry=registry).iter_errors(json.load(file))]
if found:
    sys.exit("\n".join(found))
