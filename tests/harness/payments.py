"""Payments of the shipped project's stream, to be sent and changed by a test."""

import datetime
import json
import random

TOPIC = "fraud-detection-transactions"
PREDICT_TOPIC = f"{TOPIC}-predict"


def stamp(moment=None, **shift):
    """RFC 3339 with microseconds; now, or the moment given, shifted by `timedelta` arguments."""
    moment = moment or datetime.datetime.now(datetime.timezone.utc)
    moment += datetime.timedelta(**shift)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def payment(transaction_id, /, **fields):
    """A plain payment that hits no rule, with these fields laid over it; a field that is `None` is left out."""
    plain = {
        "transaction_id": transaction_id,
        "account_id": f"acc-{transaction_id}",
        "customer_id": f"cust-{transaction_id}",
        "merchant_id": "m-1",
        "transaction_type": "purchase",
        "channel": "pos",
        "amount": 42.5,
        "currency": "USD",
        "event_time": stamp(),
        "country": "US",
        "city": "Austin",
        "latitude": 30.27,
        "longitude": -97.74,
        "payment_method": "card",
    }
    return {k: v for k, v in {**plain, **fields}.items() if v is not None}


def encode(transaction):
    return json.dumps(transaction, separators=(",", ":")).encode()


class Shoppers:
    """Endless payments of a few accounts at a few merchants, so that windows hold something; the same for the same seed, but for
    the times, which are now."""

    def __init__(self, seed, prefix, accounts=200):
        self.chance = random.Random(seed)
        self.prefix = prefix
        self.accounts = accounts
        self.made = 0

    def next(self):
        """(id, account, bytes)."""
        self.made += 1
        chance = self.chance
        account = f"acc-{chance.randrange(self.accounts)}"
        transaction_id = f"{self.prefix}-{self.made}"
        made = payment(
            transaction_id,
            account_id=account,
            customer_id=f"cust-{account}",
            merchant_id=f"m-{chance.randrange(50)}",
            channel=chance.choice(["online", "pos", "atm", "phone"]),
            amount=round(chance.lognormvariate(4, 1.5), 2),
            country=chance.choice(["US", "US", "US", "DE", "FR", "BR"]),
            device_id=f"dev-{chance.randrange(self.accounts)}",
            session_id=f"ses-{account}",
        )
        return transaction_id, account, encode(made)
