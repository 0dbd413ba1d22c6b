"""The endpoints, by tag of the contract."""

from flowhunt.api.credits_api import CreditsApi

__all__ = ["CreditsApi"]
