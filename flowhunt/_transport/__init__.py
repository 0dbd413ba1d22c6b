"""How requests reach the service: all that knows urllib3 and what lies below it.

``rest.py`` sends a request step by step with these parts.
"""
