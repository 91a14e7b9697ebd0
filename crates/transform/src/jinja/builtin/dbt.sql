{#- Macros under the names that dbt has in every database. -#}
{%- macro type_string() -%}text{%- endmacro -%}
{%- macro type_int() -%}int{%- endmacro -%}
{%- macro type_bigint() -%}bigint{%- endmacro -%}
{%- macro type_float() -%}double precision{%- endmacro -%}
{%- macro type_numeric() -%}numeric(28,6){%- endmacro -%}
{%- macro type_boolean() -%}boolean{%- endmacro -%}
{%- macro type_timestamp() -%}timestamp{%- endmacro -%}
{%- macro current_timestamp() -%}now(){%- endmacro -%}
{%- macro date_trunc(datepart, date) -%}date_trunc('{{ datepart }}', {{ date }}){%- endmacro -%}
{%- macro dateadd(datepart, interval, from_date_or_timestamp) -%}{{ from_date_or_timestamp }} + {{ interval }} * interval '1 {{ datepart }}'{%- endmacro -%}
{%- macro concat(fields) -%}{{ fields | join(' || ') }}{%- endmacro -%}
{%- macro hash(field) -%}md5(cast({{ field }} as text)){%- endmacro -%}
{%- macro length(expression) -%}length({{ expression }}){%- endmacro -%}
{%- macro replace(field, old_chars, new_chars) -%}replace({{ field }}, {{ old_chars }}, {{ new_chars }}){%- endmacro -%}
{%- macro string_literal(value) -%}'{{ value }}'{%- endmacro -%}
{%- macro escape_single_quotes(expression) -%}{{ expression | replace("'", "''") }}{%- endmacro -%}
