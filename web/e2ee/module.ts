// One instance of the module: memory, calls, results. The ABI is described in src/wasm/wasm.h.
import { hostImports, type Aead, type Curves } from './host';

type Call = (...args: (number | bigint)[]) => number | bigint;

/** A refusal, with the name of the rule that was broken (src/e2ee/mls_status.h). Nothing was changed. */
export class MlsError extends Error {
    readonly code: string;

    constructor(code: string, text: string) {
        super(`${code}: ${text}`);
        this.name = 'MlsError';
        this.code = code;
    }
}

export interface ModuleOptions {
    aead: Aead;
    /** Left out: suites over P-256, P-384, P-521 and X448 are not supported. */
    curves?: Curves;
}

export class Module {
    private readonly exports: Record<string, Call>;
    readonly memory: WebAssembly.Memory;

    private constructor(instance: WebAssembly.Instance) {
        this.exports = instance.exports as unknown as Record<string, Call>;
        this.memory = instance.exports['memory'] as WebAssembly.Memory;
    }

    /** Compiles, starts, and checks the primitives against known answers; rejects when one is wrong. */
    static async load(code: BufferSource | WebAssembly.Module, options: ModuleOptions): Promise<Module> {
        let memory: WebAssembly.Memory | undefined;
        const imports = { host: hostImports(() => memory!, options.aead, options.curves) };
        const compiled = code instanceof WebAssembly.Module ? code : await WebAssembly.compile(code);
        const instance = await WebAssembly.instantiate(compiled, imports);
        memory = instance.exports['memory'] as WebAssembly.Memory;
        (instance.exports['_initialize'] as () => void)();
        const module = new Module(instance);
        const wrong = module.number('wasm_self_test');
        if (wrong !== 0) throw new Error(`self-test failed: ${module.text(wrong)}`);
        return module;
    }

    /** Bytes at an address, valid until the next call. */
    bytes(address: number, length: number): Uint8Array {
        return new Uint8Array(this.memory.buffer, address, length);
    }

    text(address: number): string {
        const rest = new Uint8Array(this.memory.buffer, address);
        return new TextDecoder().decode(rest.slice(0, rest.indexOf(0)));
    }

    /** Calls an export with numbers, and byte strings as address and length. Answers its number. */
    number(name: string, ...args: (number | bigint | Uint8Array)[]): number {
        return Number(this.raw(name, args));
    }

    bigint(name: string, ...args: (number | bigint | Uint8Array)[]): bigint {
        return this.raw(name, args) as bigint;
    }

    private raw(name: string, args: (number | bigint | Uint8Array)[]): number | bigint {
        const call = this.exports[name];
        if (call === undefined) throw new Error(`the module has no ${name}`);
        const copies: [number, number][] = [];
        const flat: (number | bigint)[] = [];
        for (const arg of args) {
            if (typeof arg === 'number' || typeof arg === 'bigint') {
                flat.push(arg);
                continue;
            }
            const address = Number(this.exports['wasm_alloc']!(arg.length));
            if (address === 0) throw new MlsError('NO_MEMORY', 'no memory');
            this.bytes(address, arg.length).set(arg);
            copies.push([address, arg.length]);
            flat.push(address, arg.length);
        }
        try {
            return call(...flat);
        } finally {
            for (const [address, length] of copies) this.exports['wasm_release']!(address, length);
        }
    }

    /** Calls an export that answers an MLS status. */
    mls(name: string, ...args: (number | bigint | Uint8Array)[]): void {
        const status = this.number(name, ...args);
        if (status !== 0) throw this.mlsError(status);
    }

    mlsError(status: number): MlsError {
        return new MlsError(
            this.text(this.number('wasm_mls_status_name', status)),
            this.text(this.number('wasm_mls_status_text', status)),
        );
    }

    made(): number {
        return this.number('wasm_made');
    }

    /** A copy of result `i` of the last call. */
    result(i = 0): Uint8Array {
        return this.bytes(this.number('wasm_result_data', i), this.number('wasm_result_len', i)).slice();
    }

    /** Wipes the results; after secrets were taken out. */
    forget(): void {
        this.number('wasm_forget');
    }
}

/** Reads TLS presentation language (RFC 9420 section 2.1). The module wrote it: errors are bugs. */
export class Reader {
    private at = 0;

    constructor(private readonly data: Uint8Array) {}

    get left(): number {
        return this.data.length - this.at;
    }

    private take(length: number): Uint8Array {
        if (length > this.left) throw new RangeError('the result ends too early');
        this.at += length;
        return this.data.subarray(this.at - length, this.at);
    }

    number(bytes: number): number {
        let value = 0;
        for (const byte of this.take(bytes)) value = value * 256 + byte;
        return value;
    }

    u64(): bigint {
        return (BigInt(this.number(4)) << 32n) | BigInt(this.number(4));
    }

    vector(): Uint8Array {
        const first = this.number(1);
        const extra = [0, 1, 3][first >> 6];
        if (extra === undefined) throw new RangeError('bad vector length');
        let length = first & 63;
        for (let i = 0; i < extra; i++) length = length * 256 + this.number(1);
        return this.take(length).slice();
    }
}
