"""TransactionType: what credits were spent on."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_MOST_CACHED = 10_000
"""Codes kept as members; a new code beyond it is a new member each time it is received."""


class TransactionType(StrEnum):
    """What credits were spent on, as a code. The API specification lists these codes, not
    their meaning.

    The service adds codes often. A code that is not listed here is a member all the same: it keeps
    its text, equals it, and its ``is_known`` is false.

    >>> TransactionType("BRAND_NEW").is_known
    False
    """

    G = "G"
    K = "K"
    V = "V"
    S = "S"
    T = "T"
    D = "D"
    M = "M"
    F = "F"
    I = "I"
    C = "C"
    A = "A"
    Y = "Y"
    E = "E"
    X = "X"
    P = "P"
    W = "W"
    O = "O"
    N = "N"
    FT_I = "FT_I"
    DDG = "DDG"
    CGD = "CGD"
    CGS = "CGS"
    RGS = "RGS"
    UGS = "UGS"
    IGI = "IGI"
    TR = "TR"
    FAT_GC = "FAT_GC"
    CE_GC = "CE_GC"
    UE_GC = "UE_GC"
    VE_GC = "VE_GC"
    CWP = "CWP"
    DE_GC = "DE_GC"
    AC_HS = "AC_HS"
    LAHA_HS = "LAHA_HS"
    LT_HS = "LT_HS"
    GC_HS = "GC_HS"
    UC_HS = "UC_HS"
    SC_HS = "SC_HS"
    ETA_HS = "ETA_HS"
    CNM_HS = "CNM_HS"
    CNP_W = "CNP_W"
    CNE = "CNE"
    SE = "SE"
    GE = "GE"
    ALE = "ALE"
    RLE = "RLE"
    CPS = "CPS"
    CS_GS = "CS_GS"
    IG_API = "IG_API"
    FA = "FA"
    HC = "HC"
    COE = "COE"
    MCP = "MCP"
    S_O = "S_O"
    S_P = "S_P"
    Y_F = "Y_F"
    X_S = "X_S"
    X_GPS = "X_GPS"
    X_GPGF = "X_GPGF"
    V_T = "V_T"
    S_SM = "S_SM"
    F_VT = "F_VT"
    R_FT = "R_FT"
    N_ET = "N_ET"
    L_TM = "L_TM"
    J_ST = "J_ST"
    D_RT = "D_RT"
    CDT_T = "CDT_T"
    CSV_ST = "CSV_ST"
    CL_T = "CL_T"
    API_T = "API_T"
    TSM_T = "TSM_T"
    SEQUENTIAL_AGENT = "SEQUENTIAL_AGENT"
    SELF_MANAGED_AGENT = "SELF_MANAGED_AGENT"
    TOOL_ARXIV = "TOOL_ARXIV"
    TOOL_REDDIT = "TOOL_REDDIT"
    TOOL_WIKIPEDIA = "TOOL_WIKIPEDIA"
    TOOL_DALL_E = "TOOL_DALL_E"
    TOOL_YOUTUBE_SEARCH = "TOOL_YOUTUBE_SEARCH"
    TOOL_IFTTT_WEBHOOK = "TOOL_IFTTT_WEBHOOK"
    TOOL_PUBMED = "TOOL_PUBMED"
    TOOL_STACK_EXCHANGE = "TOOL_STACK_EXCHANGE"
    M_T = "M_T"
    FTS_T = "FTS_T"

    @classmethod
    def from_json(cls, json_str: str) -> Self:
        """The member of a JSON string such as ``"G"``, quotes included."""
        return cls(json.loads(json_str))

    @property
    def is_known(self) -> bool:
        """Whether the API specification lists this code."""
        return self.name in type(self).__members__

    def __repr__(self) -> str:
        unknown = "" if self.is_known else " (not in the API specification)"
        # Control characters of the service would reach the terminal that shows this.
        name = self.name if self.name.isprintable() else repr(self.name)[1:-1]
        return f"<{type(self).__name__}.{name}: {self.value!r}{unknown}>"

    @classmethod
    def _missing_(cls, value: object) -> TransactionType | None:
        return _MEMBERS[value] if isinstance(value, str) else None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # pydantic's own schema calls Python for every unknown code; a dict's lookup does not.
        return core_schema.no_info_after_validator_function(
            _MEMBERS.__getitem__,
            core_schema.str_schema(strict=True),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "examples": [member.value for member in cls]}


class _Members(dict[str, TransactionType]):
    """Every code received so far and its member, those of the API specification first."""

    def __missing__(self, code: str) -> TransactionType:
        member = str.__new__(TransactionType, code)
        member._name_ = member._value_ = code
        return self.setdefault(code, member) if len(self) < _MOST_CACHED else member


_MEMBERS = _Members((member.value, member) for member in TransactionType)
