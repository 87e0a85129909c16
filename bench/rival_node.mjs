// rival_node.mjs: llama.cpp as the npm package node-llama-cpp brings it, timed from within one process.
// usage: node rival_node.mjs PACKAGE_DIR MODEL.gguf THREADS N_DECODE N_PROMPT...
// One line of JSON for each prompt length: the prompt is evaluated from an empty context, then N_DECODE tokens are
// made greedily. Times are the wall clock around the package's own calls; the first, short prompt only warms up.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [,, packageDir, path, threads, nDecode, ...lengths] = process.argv;
const require = createRequire(packageDir + "/");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const now = () => performance.now() / 1000;

const began = now();
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath: path});
const longest = Math.max(...lengths.map(Number));
const context = await model.createContext({
    contextSize: longest + Number(nDecode) + 16, sequences: 1, threads: Number(threads), batchSize: 512
});
const sequence = context.getSequence();
const loadSeconds = now() - began;

// Words of the made-up vocabulary, each once: no two prompts of a run share more than they must.
const prompt = (n) => [2, ...Array.from({length: n - 1}, (_, i) => 1000 + (i * 7919) % 100000)];

async function measure(n, decode) {
    await sequence.clearHistory();
    const tokens = prompt(n);
    const t0 = now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, -1));
    const t1 = now();
    let made = 0, first = t1;
    for await (const _ of sequence.evaluate(tokens.slice(-1), {temperature: 0, yieldEogToken: true})) {
        if (made++ === 0)
            first = now();
        if (made > decode)
            break;
    }
    const t2 = now();
    return {prompt_tokens: n, prefill_s: first - t0, decode_tokens: made - 1, decode_s: t2 - first};
}

await measure(8, 1);
for (const n of lengths) {
    const r = await measure(Number(n), Number(nDecode));
    console.log(JSON.stringify({
        side: "node-llama-cpp", load_s: loadSeconds, ...r, rss_mb: process.memoryUsage().rss / 1e6,
        threads: Number(threads), built_for: llama.systemInfo
    }));
}
process.exit(0);
