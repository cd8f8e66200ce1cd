"""What a person can mend: one sentence that says what is wrong, one that says what to do."""


class UserError(Exception):
    """An error whose cause lies with the person's files, input or machine.

    message: one line without a full stop of program jargon; fix: what to do next, or "".
    The command line prints both on one line and exits with 1; the window shows a message.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message
