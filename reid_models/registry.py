"""Which embedder a run uses: one configuration in, one ready `Embedder` out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mtmc.errors import ConfigError, WeightsError
from reid_models.embedder import Embedder
from reid_models.encodings.names import ENCODINGS

# The file that ships inside the package; `docs/model_card.md` describes it.
SHIPPED_WEIGHTS = Path(__file__).with_name("multilevel_resnet50_vehicles.safetensors")

Backend = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class EmbedderConfig:
    """What turns crops into vectors.

    name: "auto" (the weights given, else the ones that ship, else colour-texture), "multilevel" (a
    network from a safetensors file), "colour-texture" (no network, no torch), or an encoding without labels
    (docs/methods.md). weights: path of a safetensors file; empty means the one that ships. An encoding needs the
    file that tools/fit_encoding.py writes.
    """

    name: Literal["auto", "multilevel", "colour-texture", "bag-of-words", "vlad", "fisher", "mop-cnn", "spoc",
                  "regions", "second-order"] = "auto"
    weights: str = ""
    # Crops per network call; fixed, so that a vector never depends on its companions. 32 is where a
    # ResNet50 at 128x128 stops gaining on two cores; a GPU gains up to about 256.
    batch_size: int = 32
    device: str = "auto"  # "auto": the first CUDA device where there is one, else the CPU; or "cpu", "cuda:1" …
    # "auto": float32 on a CPU, float16 on a GPU (vectors agree to about 1e-3).
    precision: Precision = "auto"
    flip_at_test: bool = False  # averages each crop with its mirror image: twice the time for a small gain
    # Share of the squared length that the weight-free vector (in 256 numbers) has beside that of the shipped network;
    # 0: none. Weights of one's own stand alone.
    colour_share: float = 0.0
    threads: int = 0  # CPU threads of the network; 0 leaves torch's own number
    # What runs the network. "auto": on a CPU the fastest that agrees with torch, on a GPU torch (see backends.py).
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError("embedder.batch_size", "1 or more", str(self.batch_size))
        if self.threads < 0:
            raise ConfigError("embedder.threads", "0 or more", str(self.threads))
        if not 0 <= self.colour_share < 1:
            raise ConfigError("embedder.colour_share", "0 or more, below 1", str(self.colour_share))
        if self.name == "colour-texture" and self.weights:
            raise ConfigError("embedder.weights", "none, as colour-texture is not a network", self.weights,
                              "Leave out the weights, or name the embedder multilevel.")
        if self.is_encoding and self.flip_at_test:
            raise ConfigError("embedder.flip_at_test", f"false with {self.name}", "true")

    @property
    def adds_colour(self) -> bool:
        """Whether the weight-free vector stands beside the network's."""
        return self.colour_share > 0 and not self.weights and self.name in ("auto", "multilevel")

    @property
    def is_encoding(self) -> bool:
        """Whether the name is one of `reid_models.encodings`."""
        return self.name in ENCODINGS


def build_embedder(config: EmbedderConfig | None = None, compared: bool = False) -> Embedder:
    """The embedder that `config` asks for. Nothing is downloaded and no network has random weights.

    compared: `config` comes from `with_backend`, so that its back end need not be compared with torch once more.
    Raises `WeightsError` where the weights asked for are missing or do not fit, and as `backends.choose` does.
    """
    config = config or EmbedderConfig()
    weights = weights_of(config)
    if weights is None:
        from reid_models.colour_texture import ColourTextureEmbedder

        return ColourTextureEmbedder(batch_size=config.batch_size)
    if config.is_encoding:
        from reid_models.encodings.embedder import EncodingEmbedder

        return EncodingEmbedder.load(weights, config.name, SHIPPED_WEIGHTS, config.batch_size, config.device,
                                     config.threads)
    network = _network(weights, config if compared else with_backend(config)[0])
    if not config.adds_colour:
        return network
    from reid_models.fused import FusedEmbedder
    from reid_models.reduced_colour_texture import ReducedColourTexture

    return FusedEmbedder(network, ReducedColourTexture(config.batch_size), config.colour_share)


def weight_free_method(config: EmbedderConfig) -> str:
    """What the part of the vectors that needs no weights depends on; "" where there is none."""
    if config.adds_colour:
        from reid_models.reduced_colour_texture import method

        return method()
    if weights_of(config) is None:
        from reid_models.colour_texture import ColourTextureEmbedder

        return ColourTextureEmbedder().fingerprint
    return ""


def with_backend(config: EmbedderConfig, remembered: Backend = "auto") -> tuple[EmbedderConfig, tuple[str, ...]]:
    """`config` with its back end settled, and lines for the user. remembered: what an earlier run used, auto for none.

    Raises as `backends.choose` does. Embedders that are no network of ours are left as they are.
    """
    weights = weights_of(config)
    if weights is None or config.name not in ("auto", "multilevel"):
        return config, ()
    from reid_models import backends
    from reid_models.weights_file import read_info

    try:
        read_info(weights)
    except WeightsError:  # no matter of back ends: told where the weights are loaded
        return replace(config, backend="torch"), ()
    choice = backends.choose(weights, config, remembered)
    return replace(config, backend=choice.backend, precision=choice.precision), choice.said


def _network(weights: Path, config: EmbedderConfig) -> Embedder:
    if config.backend in ("auto", "torch"):
        from reid_models.network_embedder import NetworkEmbedder

        return NetworkEmbedder.load(weights, config)
    from reid_models.runtime_embedder import RuntimeEmbedder

    return RuntimeEmbedder(weights, config.backend, config)


def weights_of(config: EmbedderConfig) -> Path | None:
    """The file that `config` leads to, or None for the weight-free embedder. Looks at the disk only for "auto".

    Raises `ConfigError` for an encoding without a file.
    """
    if config.name == "colour-texture":
        return None
    if config.weights:
        return Path(config.weights)
    if config.is_encoding:
        raise ConfigError(f"embedder {config.name}", "a fitted encoding", "none",
                          f"Fit one with tools/fit_encoding.py --encoding {config.name} and give it with --weights.")
    if config.name == "multilevel" or SHIPPED_WEIGHTS.is_file():
        return SHIPPED_WEIGHTS
    return None


def describe(embedder: Embedder) -> str:
    """One line that tells a user what will compare vehicles."""
    height, width = embedder.input_hw
    return f"embedder: {embedder.name}, {embedder.dimension} dimensions, crops {width}x{height} px"
