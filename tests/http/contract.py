"""openapi.yaml as the tests use it: which answers are documented, and whether a given one is."""

import jsonschema


def resolve(document, node):
    while "$ref" in node:
        target = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations(document):
    """[(path, method, operation)], aliases resolved"""
    return [(path, method, operation) for path, item in document["paths"].items()
            for method, operation in resolve(document, item).items() if method in ("get", "post", "put", "delete")]


def schemas_of(document, schema):
    """The schema itself and all that are joined to it, references resolved."""
    schema = resolve(document, schema)
    found = [schema]
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key, []):
            found += schemas_of(document, part)
    return found


def properties_of(document, schema):
    found = {}
    for part in schemas_of(document, schema):
        found.update(part.get("properties", {}))
    return found


def documented_codes(document, operation):
    """{(status or "default", code)} of the operation's error answers"""
    codes = set()
    for status, response in operation["responses"].items():
        content = resolve(document, response).get("content", {}).get("application/problem+json")
        if content:
            parts = schemas_of(document, content["schema"])
            for part in parts:
                enum = part.get("properties", {}).get("code", {}).get("enum", [])
                codes |= {(status, code) for code in enum}
    return codes


def undocumented(document, schema, value, path="$"):
    """Members of the value that the schema does not mention. Free-form objects (no properties) may hold anything."""
    found = []
    if isinstance(value, dict):
        properties = properties_of(document, schema)
        for name, member in value.items() if properties else ():
            if name in properties:
                found += undocumented(document, properties[name], member, f"{path}.{name}")
            else:
                found.append(f"{path}.{name}")
    elif isinstance(value, list):
        for part in schemas_of(document, schema):
            for index, item in enumerate(value if "items" in part else []):
                found += undocumented(document, part["items"], item, f"{path}[{index}]")
    return found


def validate(document, schema, value):
    resolver = jsonschema.RefResolver.from_schema(document)
    jsonschema.Draft202012Validator(schema, resolver=resolver).validate(value)
    assert undocumented(document, schema, value) == []


def response_of(document, path, method, status):
    operation = resolve(document, document["paths"][path])[method]
    responses = operation["responses"]
    return resolve(document, responses.get(str(status), responses.get("default")))


def check(document, path, method, answer):
    """The answer is one that openapi.yaml describes: its status, type and body."""
    content = response_of(document, path, method, answer.status).get("content", {})
    if not content:
        assert answer.body == b""
        return
    assert answer.type in content
    if "json" in answer.type:
        validate(document, content[answer.type]["schema"], answer.json)


def check_problem(document, path, method, answer, status, code):
    """The documented problem, with what holds for all of them."""
    assert (answer.status, answer.type) == (status, "application/problem+json")
    check(document, path, method, answer)
    problem = answer.json
    assert problem["status"] == status and problem["code"] == code
    assert problem["type"] == f"urn:facepair:problem:{code}"
    first = problem["errors"][0]
    assert (first["code"], first["detail"]) == (code, problem["detail"])
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    if status == 422 and first.get("field", "").startswith("image"):
        assert problem["image"] == first["field"]
    else:
        assert "image" not in problem
    if status == 503:
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    if status == 405:
        assert answer.headers["Allow"]


def concrete(path):
    """A path template with its parameters filled in."""
    for name, value in {"model": "dlib-resnet", "dataset": "nothing", "person": "Nobody",
                        "job": "ft_01890a5d-ac96-774b-bcce-b302099a8057"}.items():
        path = path.replace("{" + name + "}", value)
    return path
