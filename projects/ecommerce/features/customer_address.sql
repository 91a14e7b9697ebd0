-- The address on file. A row comes with every change, so its time says since when the address holds.
select customer_id,
  country     as customer_address_country,
  city        as customer_address_city,
  postal_code as customer_postal_code,
  updated_at  as customer_address_since
from customers
