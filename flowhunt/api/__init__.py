"""The endpoints, by tag of the API specification."""

from flowhunt.api.credits_api import CreditsApi

__all__ = ["CreditsApi"]


def __dir__() -> list[str]:
    return __all__
