"""Tiny pipelines with random weights, one builder per family, saved as diffusers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

WORDS = ["<pad>", "</s>", "<unk>", "<s>", "a", "red", "green", "apple", "pear", "blurry", "moving"]
WIDTH = 32


def tokenizer(length: int = 77, *, begins: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of a dozen words, with an end token, and a begin token for CLIP."""
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    pattern = "<s> $A </s>" if begins else "$A </s>"
    inner.post_processor = processors.TemplateProcessing(single=pattern, special_tokens=[("<s>", 3), ("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="<s>",
        model_max_length=length,
    )  # fmt: skip


def clip(*, projection: bool = False, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=WIDTH, eos_token_id=1, bos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def t5(seed: int = 0, *, umt5: bool = False) -> Any:
    torch.manual_seed(seed)
    sizes = dict(vocab_size=len(WORDS), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return UMT5EncoderModel(UMT5Config(**sizes)) if umt5 else T5EncoderModel(T5Config(**sizes))


def vae(channels: int = 4, blocks: int = 2, scaling: float = 0.18215, seed: int = 1) -> Any:
    torch.manual_seed(seed)
    return diffusers.AutoencoderKL(
        block_out_channels=(32,) * blocks, in_channels=3, out_channels=3, latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
        scaling_factor=scaling,
    )  # fmt: skip


def if_unet(seed: int, in_channels: int = 3, **more: Any) -> Any:
    torch.manual_seed(seed)
    return diffusers.UNet2DConditionModel(
        sample_size=8 if in_channels == 3 else 16, in_channels=in_channels, out_channels=6, layers_per_block=1,
        block_out_channels=(32, 64), norm_num_groups=32, attention_head_dim=8, cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH, down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), **more,
    )  # fmt: skip


def if_scheduler() -> Any:
    return diffusers.DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True, prediction_type="epsilon"
    )


NO_CHECKER: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def if_base() -> Any:
    return diffusers.IFPipeline(tokenizer(), t5(), if_unet(2), if_scheduler(), watermarker=None, **NO_CHECKER)


def if_super() -> Any:
    unet = if_unet(3, in_channels=6, class_embed_type="timestep", num_class_embeds=1000)
    noising = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    return diffusers.IFSuperResolutionPipeline(
        tokenizer(), t5(), unet, if_scheduler(), noising, watermarker=None, **NO_CHECKER
    )


def unet(seed: int, in_channels: int = 4, **more: Any) -> Any:
    torch.manual_seed(seed)
    given: dict[str, Any] = dict(
        sample_size=8, in_channels=in_channels, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=8,
    )  # fmt: skip
    return diffusers.UNet2DConditionModel(**given | more)


def ddim(**more: Any) -> Any:
    return diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **more)


def euler(**more: Any) -> Any:
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", **more
    )


def sd_base() -> Any:
    scheduler = ddim(clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    return diffusers.StableDiffusionPipeline(vae(), clip(), tokenizer(begins=True), unet(4), scheduler, **NO_CHECKER)


def sd_inpaint() -> Any:
    scheduler = ddim(clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    network = unet(5, in_channels=9)
    return diffusers.StableDiffusionInpaintPipeline(
        vae(), clip(), tokenizer(begins=True), network, scheduler, **NO_CHECKER
    )


def sd_x2() -> Any:
    torch.manual_seed(6)
    network = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=8, out_channels=5, layers_per_block=1, block_out_channels=(32, 32, 64, 64),
        down_block_types=("KDownBlock2D", *["KCrossAttnDownBlock2D"] * 3),
        up_block_types=(*["KCrossAttnUpBlock2D"] * 3, "KUpBlock2D"), mid_block_type=None, act_fn="gelu",
        attention_head_dim=8, norm_num_groups=None, cross_attention_dim=WIDTH, time_cond_proj_dim=128 + WIDTH,
        time_embedding_type="fourier", conv_in_kernel=1, conv_out_kernel=1, resnet_time_scale_shift="scale_shift",
        timestep_post_act="gelu", only_cross_attention=False,
    )  # fmt: skip
    scheduler = diffusers.EulerDiscreteScheduler(prediction_type="sample")
    return diffusers.StableDiffusionLatentUpscalePipeline(vae(), clip(), tokenizer(begins=True), network, scheduler)


def x4() -> Any:
    network = unet(7, in_channels=7, num_class_embeds=1000, sample_size=16)
    noising = diffusers.DDPMScheduler(beta_start=1e-4, beta_end=0.02, beta_schedule="scaled_linear")
    scheduler = ddim(prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    return diffusers.StableDiffusionUpscalePipeline(
        vae(blocks=3, scaling=0.08333), clip(), tokenizer(begins=True), network, noising, scheduler, max_noise_level=350
    )


def sdxl_unet(seed: int, ids: int) -> Any:
    return unet(
        seed, attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=WIDTH + 8 * ids, cross_attention_dim=2 * WIDTH if ids == 6 else WIDTH,
    )  # fmt: skip


def sdxl_base() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        vae(scaling=0.13025), clip(), clip(projection=True, seed=9), tokenizer(begins=True), tokenizer(begins=True),
        sdxl_unet(8, 6), euler(),
    )  # fmt: skip


def sdxl_refiner() -> Any:
    return diffusers.StableDiffusionXLImg2ImgPipeline(
        vae(scaling=0.13025), None, clip(projection=True, seed=9), None, tokenizer(begins=True), sdxl_unet(10, 5),
        euler(), requires_aesthetics_score=True,
    )  # fmt: skip


def ltx_vae() -> Any:
    torch.manual_seed(11)
    return diffusers.AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False), decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1,
        patch_size_t=1, encoder_causal=True, decoder_causal=False,
    )  # fmt: skip


def ltx_transformer(seed: int = 12) -> Any:
    torch.manual_seed(seed)
    return diffusers.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=8,
        cross_attention_dim=32, num_layers=1, caption_channels=WIDTH,
    )  # fmt: skip


def ltx_base() -> Any:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.LTXPipeline(scheduler, ltx_vae(), t5(), tokenizer(), ltx_transformer())


def ltx_upsampler() -> Any:
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    torch.manual_seed(13)
    model = LTXLatentUpsamplerModel(
        in_channels=8, mid_channels=32, num_blocks_per_stage=1, dims=3, spatial_upsample=True, temporal_upsample=False
    )
    return diffusers.LTXLatentUpsamplePipeline(vae=ltx_vae(), latent_upsampler=model)


def ltx_refine() -> Any:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.LTXConditionPipeline(scheduler, ltx_vae(), t5(), tokenizer(), ltx_transformer())


def wan() -> Any:
    torch.manual_seed(14)
    codec = diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    sizes: dict[str, Any] = dict(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=WIDTH, freq_dim=64, ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )  # fmt: skip
    scheduler = diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return diffusers.WanPipeline(
        tokenizer(), t5(umt5=True), codec, scheduler, diffusers.WanTransformer3DModel(**sizes),
        diffusers.WanTransformer3DModel(**sizes), boundary_ratio=0.875,
    )  # fmt: skip


def pixart() -> Any:
    """Of no family that is known."""
    torch.manual_seed(15)
    network = diffusers.PixArtTransformer2DModel(
        sample_size=8, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=4, caption_channels=WIDTH,
        in_channels=4, out_channels=8, cross_attention_dim=32, num_embeds_ada_norm=1000, norm_type="ada_norm_single",
        norm_elementwise_affine=False,
    )  # fmt: skip
    return diffusers.PixArtSigmaPipeline(tokenizer(), t5(), vae(), network, ddim())


def flux() -> Any:
    """Of no family that is known; its guidance is told to the network."""
    torch.manual_seed(16)
    network = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    codec, scheduler = vae(), diffusers.FlowMatchEulerDiscreteScheduler()
    codec.register_to_config(shift_factor=0.1)
    return diffusers.FluxPipeline(scheduler, codec, clip(), tokenizer(begins=True), t5(), tokenizer(), network)


def wan_transformer(seed: int, in_channels: int = 16, heads: int = 2, **more: Any) -> Any:
    torch.manual_seed(seed)
    return diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=heads, attention_head_dim=12, in_channels=in_channels,
        out_channels=16, text_dim=WIDTH, freq_dim=64, ffn_dim=32, num_layers=2, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=32, **more,
    )  # fmt: skip


def wan_picture() -> Any:
    """Wan 2.2, whose two experts are shown a picture by the codec alone."""
    text = wan()
    return diffusers.WanImageToVideoPipeline(
        text.tokenizer, text.text_encoder, text.vae, text.scheduler, transformer=wan_transformer(15, 36),
        transformer_2=wan_transformer(16, 36), boundary_ratio=0.9,
    )  # fmt: skip


def wan_seen() -> Any:
    """Wan 2.1, whose one network is told of the picture by an encoder as well."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    text = wan()
    torch.manual_seed(17)
    sizes: dict[str, Any] = dict(hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4)
    eye = CLIPVisionModel(CLIPVisionConfig(image_size=32, patch_size=16, **sizes))
    return diffusers.WanImageToVideoPipeline(
        text.tokenizer, text.text_encoder, text.vae, text.scheduler,
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}), eye,
        wan_transformer(15, 36, image_dim=WIDTH, added_kv_proj_dim=24),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "if-1": if_base, "if-2": if_super, "x4": x4, "sd": sd_base, "sd-inpaint": sd_inpaint, "sd-x2": sd_x2,
    "sdxl": sdxl_base, "sdxl-refiner": sdxl_refiner, "ltx": ltx_base, "ltx-up": ltx_upsampler,
    "ltx-refine": ltx_refine, "wan": wan, "wan-picture": wan_picture, "wan-seen": wan_seen, "pixart": pixart,
    "flux": flux,
}  # fmt: skip


def saved(name: str, root: Path) -> Path:
    """The folder of a tiny pipeline, made on first use."""
    folder = root / name
    if not folder.is_dir():
        BUILDERS[name]().save_pretrained(folder)
    return folder
