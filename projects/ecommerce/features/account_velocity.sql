-- How often and how much an account moves money, over three spans. The payment itself is counted.
{%- set spans = [('10m', '10 minutes'), ('24h', '24 hours'), ('30d', '30 days')] %}
select account_id,
{%- for name, span in spans %}
  count(*)    over w{{ name }} as account_count_{{ name }},
  sum(amount) over w{{ name }} as account_amount_{{ name }},
{%- endfor %}
  count(*) filter (where amount < {{ var('small_amount') }}) over w24h as account_small_count_24h,
  count(*) filter (where channel = 'online') over w24h as account_online_count_24h,
  count(distinct merchant_id) over w24h as account_merchants_24h,
  count(distinct country)     over w24h as account_countries_24h
from transactions
window
{%- for name, span in spans %}
  w{{ name }} as (partition by account_id order by event_time range interval '{{ span }}' preceding){{ ',' if not loop.last }}
{%- endfor %}
