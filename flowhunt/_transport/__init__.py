"""How requests reach the service: the only package that knows urllib3 and the layers below it.

``rest.py`` sends a request step by step, a module of this package for each step.
"""
