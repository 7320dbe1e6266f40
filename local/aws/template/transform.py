"""Runs the SAM transform on a template and fails where it does, as a deployment would.

Usage: python3 transform.py TEMPLATE        (needs aws-sam-translator 1.109 or later; no network, no credentials)
"""

import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

with open(sys.argv[1], encoding="utf-8") as f:
    template = yaml_parse(f)
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # What packaging does: the transform knows code in S3 only.
        resource["Properties"]["CodeUri"] = "s3://bucket/code"
parameters = {name: p.get("Default", "set") for name, p in template.get("Parameters", {}).items()}
resources = Translator({}, Parser()).translate(template, parameters)["Resources"]
for name, resource in resources.items():
    if resource["Type"].startswith("AWS::Serverless::"):
        sys.exit(f"{name}: {resource['Type']} was not transformed")
print(f"{sys.argv[1]}: {len(resources)} CloudFormation resources")
