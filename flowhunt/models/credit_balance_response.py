"""CreditBalanceResponse: the credits that remain."""

from __future__ import annotations

from pydantic import Field

from flowhunt.models._base import Integer, ResponseModel


class CreditBalanceResponse(ResponseModel):
    """The credits that remain. For a number to show, see ``flowhunt.credits.to_decimal``."""

    user_id: str = Field(description="ID of the user the balance belongs to")
    credits: Integer = Field(description="Credits that remain, as the service counts them")
