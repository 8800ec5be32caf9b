"""Apply CloudFormation's two transforms to templates. It runs in the environment of the SAM CLI.

Each line of standard input has the path of a template, a tab, and a JSON object of parameters. The program
writes one line for each: the transformed template as JSON, or `{"error": ...}`.
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


for line in sys.stdin:
    template, parameters = line.split("\t")
    validator = SamTemplateValidator(
        yaml_parse(Path(template).read_text("utf-8")),
        _NoManagedPolicies(),
        region="eu-west-1",
        parameter_overrides=json.loads(parameters),
        language_extensions_enabled=True,
    )
    try:
        answer = yaml.safe_load(validator.get_translated_template_if_valid())
    except Exception as exc:  # noqa: BLE001 (any error is returned to the test)
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    print(json.dumps(answer), flush=True)  # noqa: T201 (this is the program's output)
