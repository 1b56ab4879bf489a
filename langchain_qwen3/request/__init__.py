"""Builds the exact JSON body of a request from settings and messages. Pure, no I/O.

Everywhere here, `dialect` is the server's row and `line` the checkpoint's line, which is None when it is unknown.

Modules:
    build             the stages in their order: where to begin

    settings          one value for each setting, of those that model and call set; merging: of several bindings
    keywords          which settings there are, and their ranges; foreign_settings: those of other classes and APIs
    thinking          the thinking settings in the server's own fields
    sampling          what the model's card recommends

    output            tools, tool choice, format and constraint, as far as they go together
    tool_choice       tools, and a call that is forced
    schema            a schema, and how it is asked for; references, typed_classes: what core's own way loses of one
    constraints       a choice, an expression or a grammar, in each engine's field

    history           checks and repairs across messages; inputs: before LangChain's core reads them
    messages          one message
    blocks            its parts
    media             images, video, audio and files among them; media_data, files, documents: what a part holds

    traces            what caches, dumps and traces are shown
"""
