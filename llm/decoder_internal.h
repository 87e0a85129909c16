/* decoder_internal.h: what the decoder's files share. A chunk of rows goes through the layers; each
 * row is one position. All pointers into scratch are sized for max_rows rows at opening. */
#ifndef DECODER_INTERNAL_H
#define DECODER_INTERNAL_H

#include "tsr_decoder.h"
#include "tsr_kv_cache.h"

typedef struct tsri_layer {
    tsr_view q, k, v, o;           /* k, v without data where the layer has none of its own */
    tsr_view gate, up, down;       /* dense FFN */
    tsr_view ple_gate, ple_proj;   /* per-layer embeddings */
    tsr_view router;               /* [n_experts, hidden] */
    tsr_view experts_in;           /* [n_experts, 2 * expert_width, hidden]: gate rows, then up rows; or */
    tsr_view experts_gate, experts_up; /* [n_experts, expert_width, hidden] each, and experts_in without data */
    tsr_view experts_out;          /* [n_experts, hidden, expert_width] */
    float *input_norm, *post_attn_norm, *pre_ffn_norm, *post_ffn_norm; /* [hidden] */
    float *q_norm, *k_norm;                                            /* [head_dim] */
    float *post_ple_norm;                                              /* [hidden] */
    float *post_ffn_norm_1, *post_ffn_norm_2, *pre_ffn_norm_2;         /* [hidden]; experts only */
    float *router_scale;  /* [hidden] */
    float *expert_scale;  /* [n_experts] */
    float *scalar;        /* [1]: multiplies the whole stream at the layer's end */
} tsri_layer;

struct tsr_decoder {
    tsr_text_config config;
    tsr_view embed;     /* [vocab, hidden] */
    tsr_view output;    /* [vocab, hidden]: lm_head or the same as embed */
    tsr_view ple_table; /* [ple_vocab, n_layers * ple_dim]: read a row per token, never as a whole */
    tsr_view ple_proj;  /* [n_layers * ple_dim, hidden] */
    float *norm;        /* [hidden] */
    float *ple_norm;    /* [ple_dim] */
    float embed_scale, ple_scale; /* square roots of the widths, rounded where the tables are BF16 */
    float *inv_freq[TSR_N_LAYER_TYPES]; /* [rope.n_rotated]; NULL where no layer has the type */
    size_t last_kv_layer; /* after its K and V, rows whose logits nobody wants are dropped */
    tsri_layer *layers;   /* [n_layers] */
};

typedef struct tsri_rope_rows {
    float *cos, *sin; /* [max_rows, n_rotated] */
} tsri_rope_rows;

typedef struct tsri_moe_scratch {
    float *probs;     /* [max_rows, n_experts] */
    uint32_t *chosen; /* [max_rows, top_k] */
    float *weight;    /* [max_rows, top_k] */
    size_t *order;    /* [max_rows * top_k]: (row * top_k + place), grouped by expert */
    size_t *start;    /* [n_experts + 1]: where an expert's group begins in order */
    float *in;        /* [max_rows, hidden]: the rows of one expert */
    float *mid;       /* [max_rows, 2 * expert_width] */
    float *out;       /* [max_rows, hidden] */
    float *sum;       /* [max_rows, hidden] */
} tsri_moe_scratch;

/* Where values stopped being numbers. A norm meets what was made just before it, so that these are named
 * for what came last; in the order in which a layer passes them. */
typedef enum tsri_place {
    TSRI_NOWHERE,
    TSRI_AT_ENTRY, /* what the layer before left, or the embedding */
    TSRI_IN_KEYS,
    TSRI_IN_ATTENTION,
    TSRI_IN_FFN,
    TSRI_IN_PLE
} tsri_place;

/* Scratch for so many rows. */
typedef struct tsri_block {
    void *at;
    size_t row_bytes;
} tsri_block;

enum { TSRI_BLOCKS_MOST = 32 };

struct tsr_context {
    const tsr_decoder *d;
    tsr_pool *pool;
    tsr_kv_cache *kv;
    tsr_context_opts opts;
    size_t max_rows, scratch_bytes;

    /* The rows in flight. */
    size_t n;         /* how many */
    size_t *pos;      /* absolute position */
    size_t *key_end;  /* first key that a sliding layer hides from it: pos + 1, or its block's end */
    bool *wanted;     /* its logits are */
    uint8_t *bad;     /* the tsri_place where the layer at work met values that aren't finite */
    tsri_place place; /* the one at work */
    float *h;         /* [n, hidden]: the residual stream */
    float *ple[2];    /* [n, layers before last_kv_layer, ple_dim]; [rows that are to pass it, the other layers, ple_dim] */
    tsri_rope_rows rope[TSR_N_LAYER_TYPES];

    /* Scratch of the layer at work. */
    float *x, *y;     /* [n, hidden] */
    float *q, *attn;  /* [n, n_heads * head_dim] */
    float *k, *v;     /* [n, n_kv_heads * head_dim] */
    float *mid;       /* [n, 2 ffn_width]: of the dense FFN */
    float *ple_mid;   /* [n, ple_dim] */
    size_t *kept;     /* [n]: rows that are wanted */
    float *logits;    /* [TSRI_LOGIT_ROWS, vocab] */
    tsri_moe_scratch moe;

    tsri_block blocks[TSRI_BLOCKS_MOST]; /* all of these arrays */
    size_t n_blocks;
};

enum {
    TSRI_LOGIT_ROWS = 16, /* rows that share one pass over the output matrix */
    TSRI_ROWS_PER_ITEM = 8
};

/* Run fn for rows 0 .. n - 1 on the pool. */
typedef void (*tsri_row_fn)(tsr_context *c, const void *arg, size_t row, void *scratch);
void tsri_for_rows(tsr_context *c, size_t n, tsri_row_fn fn, const void *arg);

/* rows.c: on all rows in flight. The norms note rows that are not finite. */
void tsri_note_row(tsr_context *c, size_t r, bool finite); /* the first place of a row stays */
void tsri_norm_rows(tsr_context *c, float *y, const float *x, const float *w); /* y = rms(x; w); y may be x */
void tsri_add_normed_rows(tsr_context *c, float *h, float *y, const float *w); /* h += rms(y; w); y is spent */
void tsri_add_rows(tsr_context *c, float *y, const float *x);
void tsri_scale_rows(tsr_context *c, float *h, float s);

/* rope.c */
void tsri_rope_frequencies(float *inv_freq, const tsr_rope_config *rope, size_t head_dim); /* [n_rotated] */
/* cos and sin for the rows in flight, for every layer type there is. */
void tsri_rope_fill(tsr_context *c);
/* Turn the pairs (i, i + head_dim / 2), i < n_rotated, of one head. */
void tsri_rope_apply(float *x, const float *cos, const float *sin, size_t n_rotated, size_t head_dim);

/* attention.c: what layer l adds to the stream; x holds the normed rows. */
void tsri_attention_keys(tsr_context *c, size_t l, bool with_queries); /* K and V of all rows into the cache; q too, if so */
void tsri_attention_queries(tsr_context *c, size_t l, bool has_queries); /* y = W_o attention(x) */

/* ffn.c, moe.c. tsri_ffn leaves c->place at TSRI_IN_FFN. */
void tsri_ffn(tsr_context *c, size_t l); /* h += FFN block of h */
void tsri_moe(tsr_context *c, size_t l); /* y += the routed experts' normed branch for h */

/* ple.c */
/* ids: [n], the table row of each row in flight (pad for soft tokens). Fills c->ple from c->h; x is spent. drop: unwanted rows
 * will be. */
void tsri_ple_prepare(tsr_context *c, const int32_t *ids, const uint8_t *kinds, bool drop);
void tsri_ple_layer(tsr_context *c, size_t l); /* h += the layer's gated per-layer embedding */

#endif
