"""Reads tool calls in every form that servers send: parsed, in fragments, as JSON or XML, or left in the text."""
