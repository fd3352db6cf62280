"""Notifications: who is told, and in which words."""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "mail_file: MAIL_VARIABLES NEEDED_VARIABLES mail_environment mail_file_problems",
    "mail_text: compose",
    "ping: Ping",
    "send: reach_server send_summary send_test_mail",
)
