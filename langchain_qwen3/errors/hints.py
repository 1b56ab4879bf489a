"""Advice for errors: a table of patterns with one line of advice each. Data only.

A row's pattern is searched in
`"<url> dialect=<name> kind=<class> status=<n> code=... param=... blames=<what> asks=<scheme> <text>"`. `blames=model`
means that the text says the model is unknown, `blames=path` that there is no API at the address. The scheme is that of
`WWW-Authenticate`. The text is the server's own, or the exception chain of a failed connection. `_NETWORK` is searched
in such a chain alone, because a server that reports an error may speak of connections of its own: to a server behind
it, or to the host of a picture. The first matching row is used, so specific rows come before general ones.
"""

from __future__ import annotations

import re

from langchain_qwen3.errors.causes import NEEDS_STREAM, NO_FUNDS, REFUSED_TEXT

_HUNG_UP = (
    r"disconnected|peer closed|not enough data to satisfy|payload is not completed|reset by peer"
    r"|ReadError|WriteError|EndOfStream|ServerDisconnectedError|ClientOSError"
)
# Exceptions that httpx and aiohttp raise for a reply that is not HTTP, and httpx for a lost connection, too.
_BAD_HTTP = r"ProtocolError|ClientResponseError|PayloadError"

_CLIENT_CERTIFICATE = (
    "{host} wants a client certificate that it trusts: pass http_client and http_async_client made with verify=, an "
    "ssl.SSLContext into which load_cert_chain() has loaded it."
)

# Words of gateways and servers whose own connection to another server failed (LiteLLM, new-api, Envoy).
_NO_UPSTREAM = (
    r"connection (?:refused|error|failure)|connect call failed|connection attempts failed|cannot connect to host"
    r"|name resolution|name or service not known|no such host|no route to host|no healthy upstream"
    r"|upstream connect error|reset by peer|server disconnected|do request failed"
)

_ADDRESS = {
    # Of its own API, which some gateways call (https://github.com/gpustack/gpustack/issues/4588).
    r"url error, please check url": (
        "DashScope does not serve {model} at this path: base_url ends in /compatible-mode/v1; behind a gateway, see "
        "which path it calls."
    ),
    (
        r"^http://localhost:8000/v1 .{0,40}kind=Qwen3ConnectionError (?!.*over the proxy)"
        r".*(?:connection refused|connect call failed|connection attempts failed)"
    ): (
        "Nothing is listening there, at the default address: set base_url= or $QWEN_BASE_URL to your server's, or "
        "start it there (try {url}/models)."
    ),
    # A web application of one's own often runs there, for it is uvicorn's default, too.
    r"^http://localhost:8000/v1 dialect=\S{1,40} kind=\S{1,40} status=(405|404 .{0,80}blames=path)": (
        "Another server answers at the default address: set base_url= or $QWEN_BASE_URL to your server's."
    ),
    r"\.gpu\.csdn\.net.*(<html|HTML page|refused|status=(404|50[234]))": (
        "The pod seems stopped or still loading: start it, and check that base_url is its own address, "
        "https://gpu-pod<id>-8000.web.gpu.csdn.net/v1."
    ),
    # Clash and Xray send such a reply, no engine does. They take requests for this machine, too:
    # https://github.com/MetaCubeX/mihomo/blob/Meta/listener/http/proxy.go,
    # https://github.com/XTLS/Xray-core/blob/main/proxy/http/server.go
    (
        r"^https?://(?:localhost|(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.[\d.]{1,11}|0\.0\.0\.0|\[::1\])[:/]"
        r"\S{0,200} .*status=50[234] .*an empty body"
    ): (
        "A proxy seems to answer in place of the server: if $HTTP_PROXY, $ALL_PROXY or the system's settings name one, "
        "bypass it with $NO_PROXY={host}. Without a proxy, check that the server is up."
    ),
    # nginx's and Go's words; then h11 and aiohttp, where a TLS alert comes in place of a status line.
    (
        r"^(?!.*over the proxy).*(?:plain HTTP request was sent to|HTTP request to an HTTPS server"
        r"|illegal request line|b'\\x1[56]\\x03)"
    ): "The server uses TLS: write https:// instead of http:// in base_url.",
}

_NETWORK = {
    r"over the proxy https://.*(WRONG_VERSION_NUMBER|record layer failure|packet length too long)": (
        "The proxy uses plain HTTP: write http:// instead of https:// in its address ($HTTPS_PROXY or openai_proxy)."
    ),
    r"WRONG_VERSION_NUMBER|record layer failure|packet length too long": (
        "The server uses plain HTTP: write http:// instead of https:// in base_url."
    ),
    r"certificate is not valid for": (
        "The certificate belongs to another host: write the name it was made for in base_url."
    ),
    r"certificate has expired": "The server's certificate has expired: renew it there.",
    r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|self.signed certificate": (
        "The server's certificate is not trusted: set $SSL_CERT_FILE to its CA, or pass http_client and "
        "http_async_client made with verify=..."
    ),
    # A server sends such an alert about the client's certificate: https://www.rfc-editor.org/rfc/rfc8446#section-6.2
    r"\[SSL: \w{4,8}_ALERT_(?:\w{2,12}_)?(?:CERTIFICATE|UNKNOWN_CA)": _CLIENT_CERTIFICATE,
    rf"over the proxy.*(?:{_HUNG_UP})": (
        "The proxy, or the server behind it, closed the connection: check $HTTPS_PROXY, $HTTP_PROXY, $ALL_PROXY or "
        "openai_proxy, or bypass it with $NO_PROXY; if the proxy works, see the server's log."
    ),
    r"over the proxy|ProxyError": (
        "The connection goes over a proxy: check $HTTPS_PROXY, $HTTP_PROXY, $ALL_PROXY or openai_proxy, or bypass "
        "it with $NO_PROXY."
    ),
    r"name resolution|name or service not known|nodename nor servname|getaddrinfo|no address associated": (
        "The host name {host} cannot be resolved: check base_url for typing errors, then DNS or proxy."
    ),
    # aiohttp, where the resolver would take 127.1 or 2130706433.
    r"not a canonical IPv4 address": "Write the address in base_url as four numbers, such as 127.0.0.1.",
    r"missing an 'http|UnsupportedProtocol|NonHttpUrl|InvalidUrl": "base_url must begin with http:// or https://.",
    r"Illegal header value": "The api_key or a header contains a line break or a character not allowed in HTTP.",
    r"errno=E[MN]FILE": (
        "Too many files or connections are open: set max_concurrency, or raise the limit of open files (ulimit -n)."
    ),
    r"errno=E(NET|HOST)(DOWN|UNREACH)": (
        "This machine has no way to {host}: check network, VPN and firewall, and the address in base_url."
    ),
    r"errno=EADDRNOTAVAIL": (
        "This machine has no free port or no address for the connection: set max_concurrency, and write 127.0.0.1 "
        "in place of localhost."
    ),
    r"errno=ECONNRESET|\[SSL: \w{4,8}_(?:ALERT_|UNRECOGNIZED_NAME)": (
        "Something closed the connection before it was ready: check VPN, proxy and firewall, the host name in "
        "base_url, and that {host} uses TLS on this port."
    ),
    r"errno=ECONNREFUSED|connection refused|connect call failed|connection attempts failed|cannot connect to host": (
        "Nothing is listening there: is the server up (try {url}/models), and are host and port correct?"
    ),
    r"PoolTimeout": "All connections were in use: set max_concurrency to what the server can handle.",
    r"handshake operation timed out": (
        "The server does not answer the TLS handshake: if it uses plain HTTP, write http:// instead of https:// in "
        "base_url."
    ),
    r"ConnectTimeout|Connection timeout": "The host does not answer: is it up, and is a firewall blocking it?",
    r"ReadTimeout|Timeout on reading": "The server takes longer than the timeout: raise the timeout, or stream.",
    _HUNG_UP: "The server or a proxy closed the connection: check the server's log; the usual cause is out of memory.",
    _BAD_HTTP: (
        "The reply is not valid HTTP, as the text says; the usual cause is a proxy. "
        'Bypass it, or try the other transport: transport="httpx" or "aiohttp".'
    ),
}

_SETTINGS = {
    r"requires --(enable-auto-tool-choice|tool-call-parser)|--tool-call-parser to be set": (
        "Start vLLM with --enable-auto-tool-choice --tool-call-parser hermes (qwen3_coder for Coder and 3.5 or newer)."
    ),
    r"requires --jinja flag": "Start llama-server with --jinja.",
    r"reasoning_config is not configured": "Start vLLM with --reasoning-parser qwen3, or leave thinking_budget out.",
    r"custom.logit.processor": "Start SGLang with --enable-custom-logit-processor, or leave thinking_budget out.",
    # DashScope, whose code for it says "DataInspection" (https://help.aliyun.com/zh/model-studio/error-code).
    # SGLang (https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/multimodal/processors/base_processor.py).
    # vLLM has aiohttp's words (https://github.com/rayonlabs/nineteen/issues/362). It has no server behind it, but a
    # router in front of it may answer 502 or 503.
    (
        r"media resource|download multimodal|error while loading data |exception occurred while loading \w{1,9} data"
        r"|dialect=(?:vllm|sglang) kind=\S{1,40} status=(?:4\d\d|500) "
        r".*(?:\b[45]\d\d, message='[^']{0,80}', url=|cannot connect to host)"
    ): ("The server cannot load a picture or file: its URL must be open to the server; or send the data as base64."),
    r"media format": "The server cannot read a file of this format: convert it, such as to PNG, MP3 or MP4.",
    r"mmproj|not a multimodal model|not a VLM|does not support (image|vision)|content must be a string": (
        "{model} is served for text only: serve a Qwen3-VL, 3.5 or newer model (llama.cpp: with --mmproj)."
    ),
    r"does not support tools": (
        "The model's chat template has no tools: serve one that has; `ollama show` lists what a model of Ollama can do."
    ),
    NEEDS_STREAM.pattern: (
        "This model only streams, perhaps only while it thinks, and a stream has one choice: leave n out, or set "
        "enable_thinking=False."
    ),
    r"restricted to True": "{model} always thinks: leave enable_thinking out, or use an Instruct model.",
    r"NotSupportEnableThinking|does not support enable_thinking|does not support thinking": (
        "{model} cannot think: leave enable_thinking out, or use a hybrid or Thinking model."
    ),
    r"Failed to initialize samplers: std::exception": (
        "llama.cpp cannot enforce a format with thinking off and --reasoning-format none: start it with "
        "--reasoning-format auto."
    ),
    r"cannot be set simultaneously": "Set thinking_budget or reasoning_effort, not both.",
    r"must be greater than thinking_budget": "Set thinking_budget to less than the limit on all tokens.",
    r"required or object in thinking mode|tool_choice is one of the strings": (
        "A forced tool_choice needs enable_thinking=False on this server."
    ),
    r"must contain the word 'json'": "Write the word JSON into the prompt, or use function_calling.",
    r"Json mode response is not supported": "JSON needs enable_thinking=False on this server.",
    r"System message must be at the beginning": "Put the system message first, and send only one.",
    # Qwen-MT (https://help.aliyun.com/zh/model-studio/machine-translation).
    r"Role must be in \[user, assistant\]": (
        "{model} translates one user message: leave the system message out, and name the languages in "
        "translation_options."
    ),
    # Under a name that does not tell the generation (https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1586).
    # LM Studio's MLX engine has other words (https://github.com/continuedev/continue/issues/9144).
    r"No user query found|no user/tool message found": (
        "The messages contain no HumanMessage, which the model's chat template needs: add one."
    ),
    r"Failed to parse tool call arguments": "A tool call in the history has arguments that are not JSON.",
    # llama.cpp (https://github.com/ggml-org/llama.cpp/issues/20861).
    r"prefill is incompatible with|assistant messages at the end of the list|Cannot continue an assistant message": (
        "The messages end with an answer of the model: add a HumanMessage after it."
    ),
    # llama.cpp (https://github.com/ggml-org/llama.cpp/issues/26381, https://github.com/openclaw/openclaw/issues/38569),
    # Ollama (https://github.com/ollama/ollama/issues/14834),
    # Groq (https://github.com/anomalyco/opencode/issues/1018).
    (
        r"output that does not match the expected|Failed to parse input at pos \d|Invalid diff: "
        r"|XML syntax error on line|error parsing tool call:|failed to parse JSON: unexpected end"
        r"|tool call validation failed|Failed to (?:call a function|generate (?:JSON|tool_calls))"
        r"|model did not call a tool"
    ): "The model wrote something that the server cannot read, such as a broken tool call: ask again.",
    # llama.cpp (measured), vLLM (https://github.com/vllm-project/vllm/issues/16880), hosts with OpenAI's strict mode,
    # and SGLang (https://github.com/sgl-project/sglang/issues/35242).
    (
        r"failed to parse grammar|JSON schema (?:conversion failed|error at )|not supported by xgrammar|Grammar error: "
        r"|invalid (?:'parameters' )?schema(?=:| for )|Failed to compile json schema|JSON schema not supported: "
    ): (
        "The server cannot enforce the JSON schema of a tool or of the answer: take out what the text names, or "
        "else patterns, formats and long limits."
    ),
    # llama.cpp, new and old, and LM Studio (https://github.com/janhq/jan/issues/6123).
    (
        r"Error rendering prompt with jinja|parser generation failed|While executing \w{1,40} at line \d"
        r"|at row \d{1,6}, column \d"
    ): (
        "The model's chat template failed, as the text says: if the messages are not to blame, update the server, or "
        "give it another template."
    ),
    r"At most \d{1,6} \w{1,20}\(s\) may be provided|limit-mm-per-prompt": (
        "{model} is served for fewer pictures, videos or sounds: send fewer, or start vLLM with a higher "
        "--limit-mm-per-prompt."
    ),
    REFUSED_TEXT.pattern: "The provider's content filter refused the text.",
    # Speaking of the context, an error that is no overflow means that the output alone is too long for it.
    (
        r"greater than max_model_len|max_(completion_)?tokens.{0,40} too large|Range of max_tokens"
        r"|kind=Qwen3(?:InvalidRequest|UnprocessableEntity)Error .*context length"
    ): "Lower max_tokens.",
    r"kind=Qwen3(?:InvalidRequest|UnprocessableEntity)Error .*max_\w{0,12}tokens must be at least [01]\b": (
        "Set max_tokens= to 1 or more, or leave it out for no limit."
    ),
    # LM Studio behind a gateway (https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/189).
    r"response_format.{0,40} must be 'json_schema'(?!.{0,20}json_object)": (
        "This server takes no JSON without a schema: use method='json_schema'."
    ),
    r"response_format.{0,200}('text' or 'json_object'|json_schema)|json_schema.{0,80}(not|un)[ -]?supported": (
        "This server does not support JSON schemas: use method='json_mode' or 'function_calling'."
    ),
    r"dialect=one-api .*status=4(00|22) .*reasoning_effort": (
        "The server behind one-api does not know the effort that was sent: leave enable_thinking out."
    ),
    r"the reply is null": (
        "LiteLLM answers like this when its backend refused the request: check its log, and set server= to the backend."
    ),
    # LiteLLM 1.108.7, when the body of the refusal is not OpenAI's.
    r"dialect=litellm .*Error code: (400|422)\s+LiteLLM:": (
        "The server behind LiteLLM refused the request, and LiteLLM leaves out why: set server= to that server, so "
        "that only its own fields are sent."
    ),
}

_STATUS = {
    # nginx without and with a certificate: https://github.com/nginx/nginx/blob/master/src/http/ngx_http_special_response.c
    r"No required SSL certificate was sent|The SSL certificate error": _CLIENT_CERTIFICATE,
    r"kind=Qwen3RateLimitError .{0,60}insufficient_quota": (
        "The quota is used up: that of a minute (wait, or lower max_concurrency), or the account's (pay for more)."
    ),
    rf"{NO_FUNDS.pattern}|insufficient.quota|status=402": "The account has no funds or quota left.",
    r"status=401 .{0,200}asks=Basic": (
        "A proxy in front of {host} requires a user name and password: write user:password@ before "
        'the host in base_url, or set default_headers={{"Authorization": "Basic ..."}}.'
    ),
    r"no connected db|no_db_connection": (
        "LiteLLM accepts only its master key: set api_key= to that key, or connect LiteLLM to its database."
    ),
    r"dialect=dashscope .{0,60}status=401|InvalidApiKey": (
        "Set api_key= or $DASHSCOPE_API_KEY to a key of the same region as {host}."
    ),
    r"status=401|kind=Qwen3AuthenticationError": (
        "Set api_key= or $QWEN_API_KEY to a key of {host}; $OPENAI_API_KEY is never sent."
    ),
    r"status=403": (
        "Check that the key may use {model}, and that a proxy in front of {host} allows the path and this machine."
    ),
    r"status=407": (
        "A proxy requires a password: write user:password@ before its host in $HTTPS_PROXY or openai_proxy."
    ),
    # Groq counts the tokens of a minute, and waiting does not make a request smaller.
    r"kind=Qwen3RateLimitError status=413": (
        "This request alone has more tokens than the account may send in a minute: send less, or get a higher limit."
    ),
    r"status=429|kind=Qwen3RateLimitError": (
        "Too many requests or tokens at once: wait, lower max_concurrency, or raise max_retries."
    ),
    r"status=413": (
        "The request is larger than a proxy allows: send less, or raise its limit (nginx: client_max_body_size)."
    ),
    r"status=414": "The URL is too long for a proxy: put less into default_query or extra_query.",
    r"status=431": "The headers are too large for a proxy: put less into default_headers.",
    r"function '[^']{8,40}': not found for account": (
        "NVIDIA does not serve {model} to this account, though {url}/models may list it: choose another model."
    ),
    r"blames=model|param=(?:body\.)?model |code=model_not_(found|supported)": (
        "Set model= to a name that {url}/models lists."
    ),
    r"blames=path": "There is no /chat/completions under {url}: base_url must end in the API's prefix, usually /v1.",
    # vLLM and SGLang have no server behind them: they fetch pictures.
    (
        r"status=(502|52[01356]|530)"
        rf"|dialect=(?!vllm|sglang)\S{{1,40}} kind=\S{{1,40}} status=50[03] .*({_NO_UPSTREAM})"
    ): "A gateway answers, but the server behind it does not: is that server up?",
    r"status=(408|504|52[24])": "A proxy gave up waiting: stream, or raise the proxy's time limit.",
    r"kind=StreamCutError": (
        "The server or a proxy ended the reply early: check the server's log and the proxy's time limit, then retry."
    ),
    r"kind=StreamStallError": "The server went silent: check its log and its load, then retry.",
    # one-api's 503 for a model that no channel of the key's group has, and its forks' words.
    r"status=503 .*(无可用渠道|no (available )?channels? (available )?for model)": (
        "The gateway has no channel for {model}: set model= to a name that {url}/models lists, or ask who runs it."
    ),
    # 529 means overloaded: https://docs.claude.com/en/api/errors
    r"Loading model|status=5(03|29)|overloaded": "The server is loading or full: wait, or set max_concurrency.",
    r"HTML page|<html|<!doctype": (
        "A web page answers instead of the API: check base_url (it usually ends in /v1), and that the server "
        "behind the gateway is up."
    ),
    # Servers answer 200 at such an address, each in its own words, or "Ollama is running".
    r"^https?://[^/\s]{1,200} dialect=\S{1,40} kind=BadReplyError .*(instead of a chat completion|has no choices)": (
        "The address has no path: base_url usually ends in /v1."
    ),
}


def is_bad_http(details: str) -> bool:
    """Return whether a chain of exceptions tells of a reply that is not HTTP, and not of a lost connection."""
    bad, lost = (re.search(pattern, details, re.IGNORECASE) for pattern in (_BAD_HTTP, _HUNG_UP))
    return bool(bad and not lost)


def find_hint(text: str, failure: str = "", **names: str) -> str | None:
    """Return the advice of the first row whose pattern is in the text, or None.

    Args:
        text: The facts of the error on one line, in the form that the module docstring gives.
        failure: The exception chain of a failed connection; empty for an error that the server reported.
        **names: `url`, `host` and `model`, which the advice may contain.
    """
    for rows, searched in ((_ADDRESS, text), (_NETWORK, failure), (_SETTINGS, text), (_STATUS, text)):
        for pattern, hint in rows.items():
            if re.search(pattern, searched, re.IGNORECASE | re.DOTALL):
                return hint.format(**names)
    return None
