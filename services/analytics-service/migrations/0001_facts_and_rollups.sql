-- Times are microseconds since 1970 in UTC, days and hours whole ones since 1970 in UTC. Amounts are minor units of the
-- row's currency; amounts of two currencies are never in one row.

-- The copy `orders.analytics`: what an order's events come to, as far as figures need it. Nothing personal but the user's id.
CREATE TABLE orders (
    order_id        TEXT PRIMARY KEY,
    -- The order's own version: how many events of it are in this row.
    version         INTEGER NOT NULL,
    user_id         INTEGER NOT NULL,
    currency        TEXT NOT NULL,
    -- 0 draft, 1 confirmed, 2 shipped, 3 delivered, 4 cancelled.
    status          INTEGER NOT NULL,
    imported        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    -- From when it counts; NULL while it is a draft, and for ever where the draft was cancelled.
    placed_at       INTEGER,
    item_count      INTEGER NOT NULL,
    total_amount    INTEGER NOT NULL,
    discount_amount INTEGER NOT NULL,
    tax_amount      INTEGER NOT NULL,
    final_amount    INTEGER NOT NULL,
    -- Product, quantity and amount of each line, see `facts/lines.rs`.
    lines           BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Recomputing a day, and distinct customers of days in other time zones.
CREATE INDEX orders_by_time ON orders (placed_at, currency, user_id) WHERE placed_at IS NOT NULL;
-- Whether a customer ordered in an hour before, and the orders of one customer.
CREATE INDEX orders_by_user ON orders (user_id, currency, placed_at) WHERE placed_at IS NOT NULL;
-- The drafts of now.
CREATE INDEX orders_drafts ON orders (user_id) WHERE status = 0 AND placed_at IS NULL;

-- Names and categories of products, and the short numbers that lines have for them. Version 0: only met in an order yet.
CREATE TABLE products (
    id            INTEGER PRIMARY KEY,
    product_id    TEXT NOT NULL UNIQUE,
    version       INTEGER NOT NULL,
    name          TEXT NOT NULL,
    category_id   TEXT,
    category_name TEXT
) STRICT;

-- The brief's order_analytics by hour, and by day.
CREATE TABLE hourly (
    hour INTEGER NOT NULL, currency TEXT NOT NULL,
    total_orders INTEGER NOT NULL, total_revenue INTEGER NOT NULL, unique_customers INTEGER NOT NULL,
    completed_orders INTEGER NOT NULL, cancelled_orders INTEGER NOT NULL,
    shipped_orders INTEGER NOT NULL, cancelled_revenue INTEGER NOT NULL,
    PRIMARY KEY (hour, currency)
) WITHOUT ROWID, STRICT;
CREATE TABLE daily (
    day INTEGER NOT NULL, currency TEXT NOT NULL,
    total_orders INTEGER NOT NULL, total_revenue INTEGER NOT NULL, unique_customers INTEGER NOT NULL,
    completed_orders INTEGER NOT NULL, cancelled_orders INTEGER NOT NULL,
    shipped_orders INTEGER NOT NULL, cancelled_revenue INTEGER NOT NULL,
    PRIMARY KEY (day, currency)
) WITHOUT ROWID, STRICT;

-- What was sold of a product on a day; cancelled orders are not in it.
CREATE TABLE product_days (
    day INTEGER NOT NULL, product INTEGER NOT NULL, currency TEXT NOT NULL,
    orders INTEGER NOT NULL, units INTEGER NOT NULL, revenue INTEGER NOT NULL,
    PRIMARY KEY (day, product, currency)
) WITHOUT ROWID, STRICT;

-- What a customer ordered on a day: `orders` are all, `kept` and `revenue` those that are not cancelled.
CREATE TABLE customer_days (
    day INTEGER NOT NULL, user_id INTEGER NOT NULL, currency TEXT NOT NULL,
    orders INTEGER NOT NULL, kept INTEGER NOT NULL, revenue INTEGER NOT NULL,
    PRIMARY KEY (day, user_id, currency)
) WITHOUT ROWID, STRICT;
-- The same over all days.
CREATE TABLE customers (
    user_id INTEGER NOT NULL, currency TEXT NOT NULL,
    orders INTEGER NOT NULL, kept INTEGER NOT NULL, revenue INTEGER NOT NULL,
    PRIMARY KEY (user_id, currency)
) WITHOUT ROWID, STRICT;

-- The copy `users.analytics`: who there is, and since when. A deleted user stays as a tombstone, empty.
CREATE TABLE users (
    user_id    INTEGER PRIMARY KEY,
    version    INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    created_at INTEGER
) STRICT;
