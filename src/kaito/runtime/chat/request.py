"""The body of `POST /chat`: KAITO's early forms, all of them.

Sources: KAITO v0.1.0 (flat generation options beside `prompt`) and v0.2 to v0.8 (`generate_kwargs`, `messages`,
`return_full_text`). Numbers are Hugging Face's `generate` options and mean what they mean there.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Name
    content: str


class GenerationOptions(BaseModel):
    """Options of `generate`. None: not given, so the default of `translate` holds.

    `max_length` and `min_length` count the prompt's tokens too, as there; the `…_new_tokens` do not, and win.
    """

    model_config = ConfigDict(extra="forbid")

    max_length: Annotated[int, Field(ge=1)] | None = None
    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    min_length: Count | None = None
    min_new_tokens: Count | None = None
    do_sample: bool | None = None
    temperature: Annotated[float, Field(ge=0)] | None = None
    top_k: int | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    num_return_sequences: Annotated[int, Field(ge=1, le=16)] | None = None
    eos_token_id: int | list[int] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    # What vLLM cannot do. Taken at the values that change nothing, refused at others.
    num_beams: int | None = None
    num_beam_groups: int | None = None
    diversity_penalty: float | None = None
    typical_p: float | None = None
    no_repeat_ngram_size: int | None = None
    encoder_no_repeat_ngram_size: int | None = None
    bad_words_ids: list[list[int]] | None = None
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | list[int] | None = None
    # What has no meaning for one answer as text. Taken and left alone.
    early_stopping: bool | str | None = None
    length_penalty: float | None = None
    output_scores: bool | None = None
    output_attentions: bool | None = None
    output_hidden_states: bool | None = None
    return_dict_in_generate: bool | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    decoder_start_token_id: int | None = None
    remove_invalid_values: bool | None = None
    use_cache: bool | None = None


class ChatRequest(GenerationOptions):
    """`prompt` or `messages`, options flat or in `generate_kwargs` (which win), and which model is asked.

    `return_full_text` puts the prompt before the answer. KAITO's text-generation pipeline did so unless told not to,
    because it continued raw text; here the prompt is a user's message, so the answer alone is the default. `stream` is
    our own: the answer in pieces, as server-sent events.
    """

    model: Name | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    generate_kwargs: GenerationOptions | None = None
    return_full_text: bool = False
    stream: bool = False
    clean_up_tokenization_spaces: bool | None = None
    prefix: str | None = None
    handle_long_generation: Literal["hole"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, body: Any) -> Any:
        """Read upstream's `"generate_kwargs": {}` and empty lists as not given."""
        if isinstance(body, dict):
            return {
                key: value for key, value in body.items() if not (key in {"generate_kwargs", "messages"} and not value)
            }
        return body

    def option(self, name: str) -> Any:
        """Return a generation option: from `generate_kwargs`, else flat; None when neither gives it."""
        nested = getattr(self.generate_kwargs, name, None)
        return getattr(self, name) if nested is None else nested
