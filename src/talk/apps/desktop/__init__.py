"""The desktop window: CustomTkinter for the shell, one canvas for messages, one for the sidebar. Widgets and words.

Everything it shows comes from the client library, and everything it does goes there (`network`).
"""
