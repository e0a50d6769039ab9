"""Databento's publishers: the venue, within a dataset, that a record comes from."""

from collections.abc import Mapping
from typing import Final

from vpharness.wording import first_named

_MOST_SHOWN: Final = 8

_VENUES: Final[Mapping[str, str]] = {
    "GLBX.MDP3": "GLBX=1",
    "XNAS.ITCH": "XNAS=2",
    "XBOS.ITCH": "XBOS=3",
    "XPSX.ITCH": "XPSX=4",
    "BATS.PITCH": "BATS=5",
    "BATY.PITCH": "BATY=6",
    "EDGA.PITCH": "EDGA=7",
    "EDGX.PITCH": "EDGX=8",
    "XNYS.PILLAR": "XNYS=9",
    "XCIS.PILLAR": "XCIS=10",
    "XASE.PILLAR": "XASE=11",
    "XCHI.PILLAR": "XCHI=12",
    "XCIS.BBO": "XCIS=13",
    "XCIS.TRADES": "XCIS=14",
    "MEMX.MEMOIR": "MEMX=15",
    "EPRL.DOM": "EPRL=16",
    "XNAS.NLS": "FINN=17 FINC=18 XNAS=47 XBOS=86 XPSX=87",
    "XNYS.TRADES": "FINY=19 XNYS=45 EQUS=96",
    "OPRA.PILLAR": (
        "AMXO=20 XBOX=21 XCBO=22 EMLD=23 EDGO=24 GMNI=25 XISX=26 MCRY=27 XMIO=28 ARCO=29 OPRA=30 MPRL=31 XNDQ=32 "
        "XBXO=33 C2OX=34 XPHL=35 BATO=36 MXOP=37 SPHR=61 MXTO=108 IEXO=109"
    ),
    "IEXG.TOPS": "IEXG=38",
    "DBEQ.BASIC": "XCHI=39 XCIS=40 IEXG=41 EPRL=42 DBEQ=59",
    "ARCX.PILLAR": "ARCX=43",
    "XNYS.BBO": "XNYS=44",
    "XNAS.QBBO": "XNAS=46",
    "EQUS.PLUS": "XCHI=48 XCIS=49 IEXG=50 EPRL=51 XNAS=52 XNYS=53 FINN=54 FINY=55 FINC=56 EQUS=60",
    "IFEU.IMPACT": "IFEU=57 XOFF=84",
    "NDEX.IMPACT": "NDEX=58 XOFF=85",
    "EQUS.ALL": (
        "XCHI=62 XCIS=63 IEXG=64 EPRL=65 XNAS=66 XNYS=67 FINN=68 FINY=69 FINC=70 BATS=71 BATY=72 EDGA=73 EDGX=74 "
        "XBOS=75 XPSX=76 MEMX=77 XASE=78 ARCX=79 LTSE=80 EQUS=94"
    ),
    "XNAS.BASIC": "XNAS=81 FINN=82 FINC=83 XBOS=88 XPSX=89 EQUS=93",
    "EQUS.SUMMARY": "EQUS=90",
    "XCIS.TRADESBBO": "XCIS=91",
    "XNYS.TRADESBBO": "XNYS=92",
    "EQUS.MINI": "EQUS=95",
    "IFUS.IMPACT": "IFUS=97 XOFF=98",
    "IFLL.IMPACT": "IFLL=99 XOFF=100",
    "XEUR.EOBI": "XEUR=101 XOFF=103",
    "XEEE.EOBI": "XEEE=102 XOFF=104",
    "XCBF.PITCH": "XCBF=105 XOFF=106",
    "OCEA.MEMOIR": "OCEA=107",
    "MAIN.CGIF": "MAIN=110 CDEF=142",
    "EQUS.SIP": (
        "XASE=111 XBOS=112 XCIS=113 TXSE=114 24EQ=115 EPRL=116 XISX=117 EDGA=118 EDGX=119 LTSE=120 XCHI=121 "
        "XNYS=122 ARCX=123 XNAS=124 MEMX=125 IEXG=126 XPSX=127 BATY=128 BATS=129 FINN=130 FINY=131 FINC=132 "
        "XADF=133 CTA=134 UTP=135"
    ),
    "MSCI.CGIF": "MSCI=136",
    "FTSE.CGIF": "FTSE=137",
    "INAV.CGIF": "INAV=138",
    "MSTAR.CGIF": "MSTAR=139",
    "CCCY.CGIF": "CCCY=140",
    "CGI.CGIF": "CGI=141",
    "XTKS.FLEX": "XTKS=143",
    "XTKT.ITCH": "XTKT=144",
    "XOSE.ITCH": "XOSE=145",
    "DBIX.CORE": "MAIN=146 MSCI=147 FTSE=148 INAV=149 MSTAR=150 CCCY=151 CGI=152 CDEF=153",
}
"""Each dataset's venues and their numbers, as Databento lists them."""

_NAMES: Final = {
    int(number): f"{dataset}.{venue}"
    for dataset, venues in _VENUES.items()
    for venue, number in (entry.split("=") for entry in venues.split())
}


def publisher_label(publisher: int) -> str:
    """Return a publisher's name and number, such as "XNAS.ITCH.XNAS (2)"; the number alone where no name is known."""
    name = _NAMES.get(publisher)
    return str(publisher) if name is None else f"{name} ({publisher})"


def venues_text(records: Mapping[int, int]) -> str:
    """Return the publishers of `records` (how many of each), most records first, for a sentence."""
    busiest = sorted(records, key=lambda publisher: (-records[publisher], publisher))
    return first_named([publisher_label(publisher) for publisher in busiest], _MOST_SHOWN)
