"""Tool calls as servers send them: parsed, in fragments, as JSON or XML, or left in the text."""
