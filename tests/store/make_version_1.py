#!/usr/bin/python3
"""Makes version-1.sqlite: a store as the first version wrote it, with something of everything in it.

    tests/store/make_version_1.py tests/store/version-1.sqlite

The statements are those of version 1 as they were; they stay as they are. test_store_files.c reads the file.
"""
import pathlib
import sqlite3
import sys

JOB = "ft_01890a5d-ac96-774b-bcce-b302099a8057"
WAITING = "ft_01890a5d-ac97-774b-bcce-b302099a8057"
SCHEMA = """
CREATE TABLE jobs ( sequence INTEGER PRIMARY KEY AUTOINCREMENT,
id TEXT NOT NULL UNIQUE,
kind TEXT NOT NULL,
state TEXT NOT NULL,
created_ms INTEGER NOT NULL,
started_ms INTEGER NOT NULL DEFAULT 0,
finished_ms INTEGER NOT NULL DEFAULT 0,
attempt INTEGER NOT NULL DEFAULT 1,
claim INTEGER NOT NULL DEFAULT 0,
runner TEXT NOT NULL DEFAULT '',
lease_ms INTEGER NOT NULL DEFAULT 0,
claimed_ms INTEGER NOT NULL DEFAULT 0,
computed_ms INTEGER NOT NULL DEFAULT 0,
pause_wished INTEGER NOT NULL DEFAULT 0,
base_model TEXT NOT NULL,
base_version TEXT NOT NULL,
dataset TEXT NOT NULL DEFAULT '',
dataset_sha256 TEXT NOT NULL DEFAULT '',
resume_from TEXT NOT NULL DEFAULT '',
spec TEXT NOT NULL,
epoch INTEGER NOT NULL DEFAULT 0,
step INTEGER NOT NULL DEFAULT 0,
steps INTEGER NOT NULL DEFAULT 0,
eta_s REAL,
best_epoch INTEGER NOT NULL DEFAULT 0,
best_validation_loss REAL,
result_model TEXT NOT NULL DEFAULT '',
result_version TEXT NOT NULL DEFAULT '',
result_evaluation TEXT,
error_code TEXT NOT NULL DEFAULT '',
error_message TEXT NOT NULL DEFAULT '',
events INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, sequence);
CREATE INDEX jobs_by_dataset ON jobs (dataset);
CREATE TABLE losses ( job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
epoch INTEGER NOT NULL,
train REAL,
validation REAL,
PRIMARY KEY (job, epoch)) STRICT, WITHOUT ROWID;
CREATE TABLE events ( job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
number INTEGER NOT NULL,
at_ms INTEGER NOT NULL,
type TEXT NOT NULL,
data TEXT NOT NULL,
PRIMARY KEY (job, number)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints ( number INTEGER PRIMARY KEY AUTOINCREMENT,
job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
epoch INTEGER NOT NULL,
step INTEGER NOT NULL,
file TEXT NOT NULL,
bytes INTEGER NOT NULL,
created_ms INTEGER NOT NULL,
validation_loss REAL) STRICT;
CREATE INDEX checkpoints_by_job ON checkpoints (job, number);
CREATE TABLE answers ( caller TEXT NOT NULL,
route TEXT NOT NULL,
key TEXT NOT NULL,
body_sha256 TEXT NOT NULL,
answer TEXT NOT NULL,
created_ms INTEGER NOT NULL,
PRIMARY KEY (caller, route, key)) STRICT, WITHOUT ROWID;
CREATE TABLE datasets ( sequence INTEGER PRIMARY KEY AUTOINCREMENT,
id TEXT NOT NULL UNIQUE,
name TEXT NOT NULL UNIQUE,
state TEXT NOT NULL,
sha256 TEXT NOT NULL,
purpose TEXT NOT NULL,
created_ms INTEGER NOT NULL,
checked_ms INTEGER NOT NULL DEFAULT 0,
retain_until_ms INTEGER NOT NULL DEFAULT 0,
bytes INTEGER NOT NULL,
files INTEGER NOT NULL,
people INTEGER NOT NULL DEFAULT 0,
images INTEGER NOT NULL DEFAULT 0,
undecodable INTEGER NOT NULL DEFAULT 0,
error_code TEXT NOT NULL DEFAULT '',
error_message TEXT NOT NULL DEFAULT '',
attempt INTEGER NOT NULL DEFAULT 1,
claim INTEGER NOT NULL DEFAULT 0,
runner TEXT NOT NULL DEFAULT '',
lease_ms INTEGER NOT NULL DEFAULT 0) STRICT;
"""


def main(path):
    pathlib.Path(path).unlink(missing_ok=True)
    store = sqlite3.connect(path, isolation_level=None)
    for statement in filter(None, map(str.strip, SCHEMA.split(";"))):
        store.execute(" ".join(statement.splitlines()))
    store.execute("PRAGMA application_id = 1179677556")
    store.execute("PRAGMA user_version = 1")
    store.execute("INSERT INTO datasets (id, name, state, sha256, purpose, created_ms, checked_ms, bytes, files, people, images)"
                  " VALUES ('ds_01890a5d-ac95-774b-bcce-b302099a8057', 'cameras', 'ready', 'aa', 'a test', 1, 2, 3000, 40, 12, 40)")
    store.execute("INSERT INTO jobs (id, kind, state, created_ms, started_ms, finished_ms, attempt, claim, base_model, base_version,"
                  " dataset, dataset_sha256, spec, epoch, step, steps, best_epoch, best_validation_loss, result_model,"
                  " result_version, result_evaluation, events) VALUES (?, 'fine_tune', 'succeeded', 10, 20, 30, 2, 2,"
                  " 'dlib-resnet', '1', 'cameras', 'aa', '{}', 2, 8, 8, 2, 0.125, 'dlib-resnet', '2', '{}', 2)", (JOB,))
    store.execute("INSERT INTO jobs (id, kind, state, created_ms, base_model, base_version, spec, events)"
                  " VALUES (?, 'fine_tune', 'queued', 40, 'dlib-resnet', '1', '{}', 1)", (WAITING,))
    store.executemany("INSERT INTO losses VALUES (1, ?, ?, ?)", [(1, 0.5, 0.375), (2, 0.25, 0.125)])
    store.executemany("INSERT INTO events VALUES (?, ?, ?, 'state', ?)",
                      [(1, 1, 10, '{"status":"queued","attempt":1}'), (1, 2, 30, '{"status":"succeeded","attempt":2}'),
                       (2, 1, 40, '{"status":"queued","attempt":1}')])
    store.execute("INSERT INTO checkpoints (job, epoch, step, file, bytes, created_ms, validation_loss)"
                  " VALUES (1, 2, 8, 'checkpoint', 99, 29, 0.125)")
    store.execute("INSERT INTO answers VALUES ('', 'POST /admin/v1/fine-tunes', 'key', 'bb', '{}', 10)")
    store.execute("VACUUM")
    store.close()


main(sys.argv[1])
