"""Print a template as CloudFormation's two transforms make it. Runs in the environment of the SAM CLI.

.tools/sam/bin/python tests/sam_transform.py template.yaml '{"SnsTopicArns": "arn:..."}'
"""

import json
import sys
from pathlib import Path

import yaml
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


template, parameters = sys.argv[1:]
validator = SamTemplateValidator(
    yaml_parse(Path(template).read_text("utf-8")),
    _NoManagedPolicies(),
    region="eu-west-1",
    parameter_overrides=json.loads(parameters),
    language_extensions_enabled=True,
)
print(json.dumps(yaml.safe_load(validator.get_translated_template_if_valid())))  # noqa: T201 (it is what it is for)
