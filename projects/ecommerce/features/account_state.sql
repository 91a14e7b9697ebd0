-- What is known of the account at the payment's time: the newest row of an upsert stream.
select account_id,
  balance   as account_balance,
  country   as account_country,
  opened_at as account_opened_at
from account_balances
