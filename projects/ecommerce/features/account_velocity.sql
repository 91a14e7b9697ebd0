-- How often and how much an account moves money, from a minute to a month. The payment itself is counted.
-- Sums are in the project's currency, so that they hold across currencies.
{%- set spans = [('1m', '1 minute'), ('10m', '10 minutes'), ('1h', '1 hour'), ('24h', '24 hours'), ('7d', '7 days'), ('30d', '30 days')] %}
select account_id,
{%- for name, span in spans %}
  count(*) over w{{ name }} as account_count_{{ name }},
  sum(amount_base) over w{{ name }} as account_amount_{{ name }}{{ ',' if not loop.last }}
{%- endfor %}
from transactions
window
{%- for name, span in spans %}
  w{{ name }} as (partition by account_id order by event_time range interval '{{ span }}' preceding){{ ',' if not loop.last }}
{%- endfor %}
