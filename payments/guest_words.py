"""What a guest is told about a payment that failed, in the guest's language, and what helps now."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

from api.problems import NextAction
from payments.services.facts import FailureCode


@dataclass(frozen=True, slots=True)
class Words:
    en: str
    hi: str
    next_action: NextAction

    def in_language(self, language: str) -> str:
        return self.hi if language == "hi" else self.en


LANGUAGES = ("en", "hi")
_CARD_AWAY = Words(
    "The bank could not be reached. You were not charged. Please try again, or pay another way.",
    "बैंक से संपर्क नहीं हो सका। आपसे कोई राशि नहीं ली गई। कृपया फिर कोशिश करें या किसी और तरीके से भुगतान करें।",
    NextAction.OTHER_METHOD,
)
_DECLINED = Words(
    "The payment was declined. You were not charged. Please pay another way, or ask your bank.",
    "भुगतान अस्वीकार कर दिया गया। आपसे कोई राशि नहीं ली गई। कृपया किसी और तरीके से भुगतान करें या अपने बैंक से पूछें।",
    NextAction.CONTACT_BANK,
)
_STAFF = Words(
    "The payment did not work. You were not charged. Please ask a member of staff.",
    "भुगतान नहीं हो सका। आपसे कोई राशि नहीं ली गई। कृपया स्टाफ़ से मदद लें।",
    NextAction.CALL_STAFF,
)
WORDS: dict[str, Words] = {
    "insufficient_funds": Words(
        "There is not enough money on this account. You were not charged. Please pay another way.",
        "इस खाते में पर्याप्त राशि नहीं है। आपसे कोई राशि नहीं ली गई। कृपया किसी और तरीके से भुगतान करें।",
        NextAction.OTHER_METHOD,
    ),
    "expired_card": Words(
        "This card has expired. You were not charged. Please use another card.",
        "इस कार्ड की अवधि समाप्त हो गई है। आपसे कोई राशि नहीं ली गई। कृपया दूसरा कार्ड इस्तेमाल करें।",
        NextAction.OTHER_METHOD,
    ),
    "incorrect_details": Words(
        "Some of the card's details were wrong. You were not charged. Please check them and try again.",
        "कार्ड का कुछ विवरण ग़लत था। आपसे कोई राशि नहीं ली गई। कृपया जाँचकर फिर कोशिश करें।",
        NextAction.TRY_AGAIN,
    ),
    "authentication_failed": Words(
        "The bank could not confirm that it was you. You were not charged. Please try again.",
        "बैंक आपकी पहचान की पुष्टि नहीं कर सका। आपसे कोई राशि नहीं ली गई। कृपया फिर कोशिश करें।",
        NextAction.TRY_AGAIN,
    ),
    "limit_exceeded": Words(
        "The amount is above the limit of this card or account. You were not charged. Please pay another way.",
        "राशि इस कार्ड या खाते की सीमा से अधिक है। आपसे कोई राशि नहीं ली गई। कृपया किसी और तरीके से भुगतान करें।",
        NextAction.OTHER_METHOD,
    ),
    "cancelled_by_guest": Words(
        "The payment was cancelled. You were not charged.",
        "भुगतान रद्द कर दिया गया। आपसे कोई राशि नहीं ली गई।",
        NextAction.TRY_AGAIN,
    ),
    "issuer_unavailable": _CARD_AWAY,
    "provider_error": _CARD_AWAY,
    "not_supported": Words(
        "This way of paying is not possible here. You were not charged. Please pay another way.",
        "यहाँ इस तरीके से भुगतान संभव नहीं है। आपसे कोई राशि नहीं ली गई। कृपया किसी और तरीके से भुगतान करें।",
        NextAction.OTHER_METHOD,
    ),
    "card_declined": _DECLINED,
    # Whoever may be a thief is told nothing that helps.
    "fraud_suspected": _DECLINED,
    "stolen_card": _DECLINED,
    FailureCode.DECLINED: _DECLINED,
    FailureCode.CANCELLED: Words(
        "The payment was cancelled. You were not charged.",
        "भुगतान रद्द कर दिया गया। आपसे कोई राशि नहीं ली गई।",
        NextAction.TRY_AGAIN,
    ),
    FailureCode.EXPIRED: Words(
        "The time to pay is over. You were not charged. Please try again.",
        "भुगतान का समय समाप्त हो गया। आपसे कोई राशि नहीं ली गई। कृपया फिर कोशिश करें।",
        NextAction.TRY_AGAIN,
    ),
    FailureCode.EXHAUSTED: Words(
        "No payment service could be reached. You were not charged. Please pay another way, or ask a member of staff.",
        "किसी भी भुगतान सेवा से संपर्क नहीं हो सका। आपसे कोई राशि नहीं ली गई। कृपया किसी और तरीके से भुगतान करें या स्टाफ़ से पूछें।",
        NextAction.CALL_STAFF,
    ),
    FailureCode.NOT_DUE: Words(
        "Nothing is left to pay here. You were not charged.",
        "यहाँ अब कुछ भी बाकी नहीं है। आपसे कोई राशि नहीं ली गई।",
        NextAction.NONE,
    ),
}
IN_DOUBT = Words(
    "We do not know yet whether your payment went through. Please do not pay again: we are asking the bank.",
    "हमें अभी पता नहीं कि आपका भुगतान हुआ या नहीं। कृपया दोबारा भुगतान न करें: हम बैंक से पूछ रहे हैं।",
    NextAction.WAIT,
)


_GOES_BACK = Words(
    "Your money arrived when it was not due any more. It is on its way back to you.",
    "आपकी राशि तब पहुँची जब वह देय नहीं थी। वह आपको लौटाई जा रही है।",
    NextAction.NONE,
)
_WENT_BACK = Words(
    "Your money arrived when it was not due any more. It went back to you.",
    "आपकी राशि तब पहुँची जब वह देय नहीं थी। वह आपको लौटा दी गई है।",
    NextAction.NONE,
)
_STILL_HERE = Words(
    "Your money arrived when it was not due any more. We could not send it back yet: our staff look after it.",
    "आपकी राशि तब पहुँची जब वह देय नहीं थी। हम उसे अब तक लौटा नहीं सके: हमारा स्टाफ़ इसे देख रहा है।",
    NextAction.CALL_STAFF,
)
# Whoever tries out somebody else's card learns nothing from us.
_KEPT_QUIET = {"fraud_suspected": "card_declined", "stolen_card": "card_declined"}


def code_for_guests(code: str) -> str:
    return _KEPT_QUIET.get(code, code)


def words_for(failure_code: str) -> Words:
    """A code that no guest can do anything about is the staff's."""
    return WORDS.get(failure_code, _STAFF)


def words_of_return(*, captured: int, refunded: int, refunding: int) -> Words:
    """Of money that was not due. "On its way" is a promise: it is made only where all that is left is sent."""
    if captured > refunded + refunding:
        return _STILL_HERE
    return _GOES_BACK if refunding else _WENT_BACK


def language_of(request: HttpRequest) -> str:
    """The first of the caller's languages that we speak."""
    for code, _ in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        if code.split("-")[0] in LANGUAGES:
            return code.split("-")[0]
    return LANGUAGES[0]
