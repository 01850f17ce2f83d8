"""Go's text templates, as far as people use them with `docker ... --format`: parsed, then filled in from plain data.

Pure: text and data in, text out. Nothing here reaches attributes of Python objects; size and work are bounded.
"""

from shoal_cli.templates.errors import TemplateError
from shoal_cli.templates.evaluation import render
from shoal_cli.templates.headings import header
from shoal_cli.templates.parser import parse
from shoal_cli.templates.values import ABSENT, ByKey, Struct

__all__ = ["ABSENT", "ByKey", "Struct", "TemplateError", "header", "parse", "render"]
