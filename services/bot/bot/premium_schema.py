"""The tables of premium_system.db."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS premium_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    payment_id TEXT NOT NULL,
    telegram_payment_charge_id TEXT NOT NULL,
    stars_amount INTEGER NOT NULL,
    mrkt_link TEXT,
    palace_link TEXT,
    tonnel_link TEXT,
    portal_link TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    is_active BOOLEAN DEFAULT 1,
    UNIQUE (owner_id, group_id)
);
CREATE TABLE IF NOT EXISTS payment_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL,
    payment_id TEXT NOT NULL,
    stars_amount INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    payment_id TEXT NOT NULL,
    stars_amount INTEGER NOT NULL,
    refund_reason TEXT,
    refunded_at INTEGER NOT NULL,
    status TEXT DEFAULT 'pending',
    processed_by TEXT,
    FOREIGN KEY (subscription_id) REFERENCES premium_subscriptions (id)
);
CREATE TABLE IF NOT EXISTS refunded_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER UNIQUE NOT NULL,
    owner_id INTEGER NOT NULL,
    refunded_at INTEGER NOT NULL,
    reason TEXT
);
CREATE TABLE IF NOT EXISTS pending_payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL,
    payment_id TEXT NOT NULL,
    stars_amount INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS subscriptions_by_end ON premium_subscriptions (expires_at) WHERE is_active;
CREATE INDEX IF NOT EXISTS subscriptions_by_group ON premium_subscriptions (group_id);
CREATE INDEX IF NOT EXISTS payments_by_payment ON payment_history (payment_id);
CREATE INDEX IF NOT EXISTS refunds_by_subscription ON refunds (subscription_id);
CREATE INDEX IF NOT EXISTS pending_by_payment ON pending_payments (payment_id);
"""
