"""Turns bytes into events, events into deltas, deltas into messages. Sans-IO: nothing here waits.

Modules:
    stream             a streamed reply: where to begin
    whole              a whole reply
    structured_parser  the object of a schema in either

    sse                bytes → events
    body               the body of a whole reply, or the error in its place
    json_text          JSON as servers and models write it

    choice             the deltas of one choice → reasoning, content and calls, for both kinds of reply
    fields             the texts in a delta's fields
    reasoning          think tags in a text
    tool_calls         calls in every form

    ending             why a reply ended
    metadata           usage, timing and all else
    chunks             LangChain's chunks
    content_blocks     LangChain's content blocks
"""
