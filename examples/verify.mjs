#!/usr/bin/env node
// Asks a Facepair server whether two photographs show the same person. Node 18 or newer, no packages.
//
// usage: examples/verify.mjs http://127.0.0.1:8080 a.jpg b.jpg
// FACEPAIR_KEY is the key, where the server asks for one.
// Exits 0 when they do, 3 when they do not, 1 when the server or the photographs did not allow an answer.
import { readFile } from 'node:fs/promises';

// Node 18 (Debian 12's) calls its own fetch experimental on stderr, where only our one line belongs.
process.removeAllListeners('warning');

class Problem extends Error {
    // RFC 9457: `errors` lists every fault that was found, such as one for each photograph.
    constructor(status, body) {
        super(`HTTP ${status}`);
        this.faults = body?.errors ?? [];
    }
}

async function verify(url, path1, path2) {
    const form = new FormData();
    form.append('image1', new Blob([await readFile(path1)]), 'image1');
    form.append('image2', new Blob([await readFile(path2)]), 'image2');
    const key = process.env.FACEPAIR_KEY;
    const response = await fetch(new URL('/v1/verify', url), {
        method: 'POST',
        body: form,
        headers: key ? { Authorization: `Bearer ${key}` } : {},
        signal: AbortSignal.timeout(30_000),
    });
    if (response.ok) {
        return response.json();
    }
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
    throw new Problem(response.status, isProblem ? await response.json() : null);
}

async function main(args) {
    if (args.length !== 3) {
        console.error('usage: verify.mjs URL IMAGE1 IMAGE2');
        return 2;
    }
    try {
        const { verified, distance, threshold } = await verify(...args);
        const decision = verified ? 'the same person' : 'two people';
        console.log(`${decision}: distance ${distance.toFixed(3)}, threshold ${threshold.toFixed(3)}`);
        return verified ? 0 : 3;
    } catch (error) {
        console.error(error.cause?.message ?? error.message);
        for (const { code, field, detail } of error.faults ?? []) {
            console.error(`${code}${field ? ` (${field})` : ''}: ${detail}`);
        }
        return 1;
    }
}

process.exitCode = await main(process.argv.slice(2));
