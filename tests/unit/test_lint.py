"""Rules of our own for the source: proofs are compared in constant time, and no file is too long."""

import ast
from pathlib import Path

import pytest

from fakes import ROOT
from proof_lint import findings

MODULES = sorted((ROOT / "src" / "push_relay").rglob("*.py"))
#: The modules that compute a MAC. One of them signs with it. All others compare it with a proof.
MAKING_MACS = {"jwt", "signed", "twilio", "engine", "aws_signature"}
SIGNING = {"engine", "aws_signature"}
MAX_LINES = 400

WRONG = [
    "hmac.new(key, body, 'sha256').hexdigest() == offered",
    "given == hmac.new(key, body, 'sha256').hexdigest()",
    "hmac.digest(key, body, 'sha256').hex() == given",
    "hashlib.sha256(body).hexdigest() != given",
    "signature == given",
    "given != request.signature",
    "self.expected_signature == given",
    "x_hub_signature == given",
    "webhookSignature == given",
    "given == headers['x-hub-signature-256']",
    "headers.get('x-hub-signature-256') == given",
    "header(request, 'x-gitlab-token') == given",
    "given in signatures",
    "signature not in known",
    "token in (a, b)",
    "signature[:10] == given[:10]",
    "b'v1=' + mac == given",
    "f'sha256={mac}' == given",
    "f'v1={signature.hex()}' in items",
    "base64.b64encode(mac) == given",
    "any(secret == given for secret in known)",
    "[s for s in macs if given == proof]",
    "(signature, 1) == (given, 1)",
    "(found := digest) == given",
    "signature < given",
    "token == 'hard-wired'",
    "b'hard-wired' != secret",
    "a == b == signature",
    "given.startswith(token)",
    "given.endswith(signature)",
    "known.count(secret)",
    "signature.__eq__(given) if given.__eq__(signature) else 0",
    "(token if given else other) == given",
    "password == given",
    "hmac.compare_digest(mac.hexdigest(), given)",
    "hmac.compare_digest(given, signature.decode())",
    "hmac.compare_digest(f'sha256={mac}', given)",
    "secrets.compare_digest('x' + given, other)",
    "match signature:\n    case 'x': pass",
    "from operator import eq",
    "import operator",
]

RIGHT = [
    "hmac.compare_digest(offered.encode('ascii'), expected)",
    "hmac.compare_digest(hmac.digest(key, body, 'sha256'), signature)",
    "signature is None",
    "signature == ''",
    "'x-signature' in headers",
    "len(signature) == 64",
    "len(signature) <= MAX_PROOF",
    "0 < len(token) < 100",
    "'Signature' not in message",
    "given.startswith('v1=')",
    "signature.startswith('v1,')",
    "signature.removeprefix('v1,')",
    "header == given",
    "token_type == 'Bearer'",
    "scheme_name in SCHEMES",
    "secret_arn == given",
    "machine == given",
    "if not signature: pass",
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_every_module_compares_proofs_in_constant_time(module: Path) -> None:
    """A comparison with `==` takes longer if more of a forged proof is right, which reveals the proof."""
    assert findings(module.read_text("utf-8")) == []


@pytest.mark.parametrize("source", WRONG)
def test_the_rule_finds_unsafe_comparisons(source: str) -> None:
    """It finds them at the top of a module and inside a function."""
    assert findings(source)
    indented = source.replace("\n", "\n    ")
    (found, *_) = findings(f"def verify(a):\n    {indented}\n")
    assert found.line == 2


@pytest.mark.parametrize("source", RIGHT)
def test_the_rule_accepts_comparisons_that_reveal_no_secret(source: str) -> None:
    """Examples are public values, lengths, and the safe comparison itself."""
    assert findings(source) == []


def test_the_rule_finds_the_relay_s_own_comparison_if_it_is_made_unsafe() -> None:
    """Proofs are compared in one place. The test replaces the safe call there with unsafe ones."""
    proof = ROOT / "src" / "push_relay" / "core" / "trust" / "schemes" / "proof.py"
    safe = 'hmac.compare_digest(text.encode("ascii"), right) for text in offered for right in wanted'
    text = proof.read_text("utf-8")
    assert text.count("compare_digest(") == text.count(safe) == 1
    assert not findings(text)
    for unsafe in (
        "right == expected for right in offered",
        "hmac.compare_digest(text, right.decode()) for text in offered for right in wanted",
    ):
        assert findings(text.replace(safe, unsafe))


@pytest.mark.parametrize("folder", ["src", "tools", "tests", "bench"])
def test_no_file_is_longer_than_400_lines(folder: str) -> None:
    """A longer file has several subjects, and a reader cannot keep it in mind."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    too_long = {path.name: count for path, count in lines.items() if count > MAX_LINES}
    assert lines
    assert not too_long


def _calls(module: Path) -> set[str]:
    functions = [
        node.func for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    return {ast.unparse(function) for function in functions}


def test_every_module_that_computes_a_mac_compares_it_in_the_shared_place() -> None:
    """A new module that computes a MAC must be listed here, and must call `fits` unless it signs."""
    making = {
        module.stem: _calls(module)
        for module in MODULES
        if _calls(module) & {"hmac.digest", "hmac.new", "hmac.HMAC", "digest", "new"} - {"digest"}
    }
    assert making.keys() == MAKING_MACS
    assert all("fits" in calls for name, calls in making.items() if name not in SIGNING)
    comparing = {module.stem for module in MODULES if "hmac.compare_digest" in _calls(module)}
    assert comparing == {"proof"}
