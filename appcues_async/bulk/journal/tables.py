"""The tables of a journal."""

from __future__ import annotations

from typing import Final

__all__ = ["TABLES"]

TABLES: Final = """
CREATE TABLE journal (id TEXT NOT NULL, origin TEXT NOT NULL, account TEXT NOT NULL, made REAL NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, unsafe INTEGER NOT NULL, endpoint TEXT NOT NULL,
    sources TEXT NOT NULL, fingerprint TEXT NOT NULL, options TEXT NOT NULL, limits TEXT NOT NULL,
    started REAL NOT NULL, chunks INTEGER, UNIQUE (endpoint, sources)
);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, pid INTEGER NOT NULL,
    host TEXT NOT NULL, started REAL NOT NULL, heartbeat REAL NOT NULL, alive REAL NOT NULL,
    ended REAL,
    before TEXT NOT NULL
);
CREATE TABLE chunks (
    run INTEGER NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, digest TEXT,
    status TEXT NOT NULL, session INTEGER, intent_at REAL, times TEXT, job TEXT,
    certain INTEGER NOT NULL, completed INTEGER, failed INTEGER, requests_failed INTEGER, error TEXT,
    candidates TEXT, rejected TEXT,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX chunks_by_job ON chunks (job);
CREATE INDEX chunks_by_status ON chunks (status, rows);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, number INTEGER NOT NULL, rows INTEGER NOT NULL,
    times TEXT NOT NULL, job TEXT
);
CREATE INDEX requests_by_job ON requests (job);
"""
