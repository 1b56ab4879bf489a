"""Facts about each server: one row per server, and how to detect which server answers.

Modules:
    dialect         the class of a row
    engines         rows of engines that users start; parameters: body fields that servers have beyond OpenAI's
    hosts           rows of hosted services
    gateways        rows of gateways, and of what cannot be identified
    dialects        all rows; how to find one, and to add one

    address         a base URL, and the key that belongs to it
    detection       asks a server once what it is
    facts           which questions that takes, and how to read the answers
    refusals        learns which fields a server refuses; refused_fields: reads them from an error
    habits          what the replies of one server and model have in common
"""
