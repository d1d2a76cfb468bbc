"""Parameters that the template is deployed with, and those that CloudFormation must refuse."""

from template import Template

# What has no default, or must be given.
REQUIRED = {
    "TwilioAccountSid": "AC00000000000000000000000000000000",
    "TwilioAuthToken": "verify-deploy-auth-token",
    "TwilioPhoneNumber": "+14155550100",
    "IpHashSecret": "verify-deploy-ip-hash-secret",
    "JwtSecret": "verify-deploy-jwt-secret-for-this-machine-only",
}
TURN = {"TurnUrls": "turn:turn.example.com:3478?transport=udp", "TurnSecret": "verify-deploy-turn-secret"}
PUSH = {"PushWebhookUrl": "https://app.example.com/push", "PushWebhookSecret": "verify-deploy-push-secret"}
JWKS = {"JwtSecret": "", "JwtJwksUrl": "https://app.example.com/keys"}

# Besides those: what functions would not start with, or a domain not be made with, and why it is
# refused before anything is deployed: a rule's words, or the parameter whose pattern does not match.
REFUSED = [
    ({"JwtSecret": ""}, "JwtSecret or JwtJwksUrl must be given"),
    (JWKS | {"JwtSecret": REQUIRED["JwtSecret"]}, "only one of JwtSecret and JwtJwksUrl may be given"),
    *(({"JwtAlgorithm": one}, "with JwtSecret, JwtAlgorithm must be HS256 or empty") for one in ("RS256", "ES256", "EdDSA")),
    (JWKS | {"JwtAlgorithm": "HS256"}, "with JwtJwksUrl, JwtAlgorithm must not be HS256"),
    (TURN | {"TurnSecret": ""}, "TurnUrls needs TurnSecret"),
    (TURN | {"TurnUrls": ""}, "TurnSecret needs TurnUrls"),
    ({"IcePolicy": "relay"}, "with IcePolicy relay, TurnUrls must be given"),
    (PUSH | {"PushWebhookSecret": ""}, "PushWebhookUrl needs PushWebhookSecret"),
    (PUSH | {"PushWebhookUrl": ""}, "PushWebhookSecret needs PushWebhookUrl"),
    ({"DomainName": "api.example.com"}, "DomainName and SocketDomainName need CertificateArn"),
    ({"SocketDomainName": "sockets.example.com"}, "DomainName and SocketDomainName need CertificateArn"),
    *(
        (whole | {name: url}, name)
        for whole, name in [(PUSH, "PushWebhookUrl"), (JWKS, "JwtJwksUrl"), ({}, "TwilioApiBaseUrl")]
        for url in ("http://app.example.com", "http://127.0.0.1.example.com", "http://localhost:80@example.com", "app.example.com")
    ),
    ({"TwilioApiBaseUrl": "https://example.com/api"}, "TwilioApiBaseUrl"),
    ({"PublicBaseUrl": "https://user@example.com"}, "PublicBaseUrl"),
    ({"StunUrls": "stun://stun.example.com"}, "StunUrls"),
    (TURN | {"TurnUrls": "turn://turn.example.com"}, "TurnUrls"),
]
# And what must not be refused.
ACCEPTED = [
    JWKS, JWKS | {"JwtAlgorithm": "ES256"}, {"JwtAlgorithm": "HS256"},
    TURN, TURN | {"IcePolicy": "relay"}, TURN | {"IcePolicy": "all"}, {"IcePolicy": "all"}, PUSH,
    *(
        JWKS | PUSH | {"TwilioApiBaseUrl": url, "JwtJwksUrl": f"{url}/keys", "PushWebhookUrl": f"{url}/push"}
        for url in ("http://127.0.0.1:3002", "http://[::1]:3002", "http://localhost", "https://twilio.example.com:8443")
    ),
]


def misjudged(document):
    """What the template's patterns and rules let pass, or refuse, against REFUSED and ACCEPTED."""
    wanted = [({}, []), *((given, []) for given in ACCEPTED), *((given, [why]) for given, why in REFUSED)]
    problems = []
    for given, why in wanted:
        refusals = Template(document, REQUIRED | given, "maskline").refusals()
        if refusals != why:
            problems.append(f"with {given} the template is refused for {refusals}, and not for {why}")
    tried = {why for _, why in REFUSED}
    rules = [one["AssertDescription"] for rule in document["Rules"].values() for one in rule["Assertions"]]
    return problems + [f"REFUSED does not try: {rule}" for rule in rules if rule not in tried]
