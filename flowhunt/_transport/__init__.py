"""How requests reach the service: all that knows urllib3 and what lies below it.

``rest.py`` tells the story of one request with what is in here.
"""
