/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vendors' packages as tables. */
#include "package.h"

#include "hive.h"

#define DISPLAY_CLASS "{4d36e968-e325-11ce-bfc1-08002be10318}"
#define COMPONENT_CLASS "{5c4c3332-344d-483c-8739-259e934c9cc8}"

/* ---- NVIDIA: names, renames and CopyToVm values of 470.05 ---- */

static const struct package_file nvidia_files[] = {
    { "nvlddmkm.sys", 56000, MAKE_PE64 },
    { "nvldumdx.dll", 1100, MAKE_PE64 },
    { "nvldumd.dll", 900, MAKE_PE32 },
    { "nvwgf2umx.dll", 95000, MAKE_PE64 },
    { "nvwgf2um.dll", 78000, MAKE_PE32 },
    { "nvd3dumx.dll", 27000, MAKE_PE64 },
    { "nvd3dum.dll", 21000, MAKE_PE32 },
    { "nvoglv64.dll", 43000, MAKE_PE64 },
    { "nvoglv32.dll", 33000, MAKE_PE32 },
    { "nvoglshim64.dll", 400, MAKE_PE64 },
    { "nv-vk64.json", 1, MAKE_NOISE },
    { "nv-vk32.json", 1, MAKE_NOISE },
    { "nvcuda64.dll", 62000, MAKE_PE64 },
    { "nvcuda32.dll", 17000, MAKE_PE32 },
    { "nvcuda_loader64.dll", 1500, MAKE_PE64 },
    { "nvcuda_loader32.dll", 1200, MAKE_PE32 },
    { "nvcuvid64.dll", 9500, MAKE_PE64 },
    { "nvcuvid32.dll", 7800, MAKE_PE32 },
    { "nvopencl64.dll", 51000, MAKE_PE64 },
    { "nvopencl32.dll", 40000, MAKE_PE32 },
    { "OpenCL64.dll", 460, MAKE_PE64 },
    { "OpenCL32.dll", 350, MAKE_PE32 },
    { "nvml.dll", 1500, MAKE_PE64 },
    { "nvml_loader.dll", 1100, MAKE_PE64 },
    { "nvapi64.dll", 5900, MAKE_PE64 },
    { "nvapi.dll", 4700, MAKE_PE32 },
    { "nvEncodeAPI64.dll", 1100, MAKE_PE64 },
    { "nvEncodeAPI.dll", 880, MAKE_PE32 },
    { "nvEncMFTH264x.dll", 1400, MAKE_PE64 },
    { "nvDecMFTMjpegx.dll", 1100, MAKE_PE64 },
    { "nvofapi64.dll", 570, MAKE_PE64 },
    { "nvofapi.dll", 450, MAKE_PE32 },
    { "NvFBC64.dll", 2100, MAKE_PE64 },
    { "NvFBC.dll", 1600, MAKE_PE32 },
    { "NvIFR64.dll", 1100, MAKE_PE64 },
    { "NvIFR.dll", 900, MAKE_PE32 },
    { "vulkan-1-x64.dll", 1400, MAKE_PE64 },
    { "vulkan-1-x86.dll", 1200, MAKE_PE32 },
    { "vulkaninfo-x64.exe", 2100, MAKE_PE64 },
    { "nvidia-smi.exe", 700, MAKE_PE64 },
    { "nvptxJitCompiler64.dll", 19000, MAKE_PE64 },
    { "nvrtum64.dll", 64000, MAKE_PE64 },
    { "libcuda.so.1.1", 33000, MAKE_ELF64 },
    { "libcuda_loader.so", 150, MAKE_ELF64 },
    { "libnvidia-ml.so.1", 1600, MAKE_ELF64 },
    { "libnvidia-ml_loader.so", 180, MAKE_ELF64 },
    { "libnvwgf2umx.so", 48000, MAKE_ELF64 },
    { "NvCamera\\NvCamera64.dll", 9800, MAKE_PE64 },
    { "NVWMI\\nvWmi64.exe", 4400, MAKE_PE64 },
    { "Display.NvContainer\\NVDisplay.Container.exe", 1100, MAKE_PE64 },
    { 0 },
};

static const struct package_copy nvidia_copies[] = {
    { "nvcuda_loader64.dll", "nvcuda.dll", PLACE_SYSTEM32, 0x4000, "CudaDriverFiles",
      false },
    { "nvml_loader.dll", "nvml.dll", PLACE_SYSTEM32, 0x4000, "NvmlDriverFiles", false },
    { "OpenCL64.dll", "OpenCL.dll", PLACE_SYSTEM32, 0x4020, "OpenCLFiles", false },
    { "vulkan-1-x64.dll", "vulkan-1.dll", PLACE_SYSTEM32, 0x4020, "VulkanFiles", false },
    { "vulkan-1-x64.dll", "vulkan-1-999-0-0-0.dll", PLACE_SYSTEM32, 0x4020, NULL, false },
    { "vulkaninfo-x64.exe", "vulkaninfo.exe", PLACE_SYSTEM32, 0x4020, NULL, false },
    { "nvapi64.dll", "nvapi64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "nvcuvid64.dll", "nvcuvid.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "nvEncodeAPI64.dll", "nvEncodeAPI64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "nvofapi64.dll", "nvofapi64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "NvFBC64.dll", "NvFBC64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "NvIFR64.dll", "NvIFR64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "nvidia-smi.exe", "nvidia-smi.exe", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "nvcuda_loader32.dll", "nvcuda.dll", PLACE_SYSWOW64, 0x4000, "CudaDriverFiles",
      false },
    { "OpenCL32.dll", "OpenCL.dll", PLACE_SYSWOW64, 0x4020, "OpenCLFiles", false },
    { "vulkan-1-x86.dll", "vulkan-1.dll", PLACE_SYSWOW64, 0x4020, "VulkanFiles", false },
    { "vulkan-1-x86.dll", "vulkan-1-999-0-0-0.dll", PLACE_SYSWOW64, 0x4020, NULL, false },
    { "nvapi.dll", "nvapi.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "nvcuvid32.dll", "nvcuvid.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "nvEncodeAPI.dll", "nvEncodeAPI.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "nvofapi.dll", "nvofapi.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "NvFBC.dll", "NvFBC.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "NvIFR.dll", "NvIFR.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "libcuda_loader.so", "libcuda.so", PLACE_LXSS, 0x4000, NULL, false },
    { "libcuda_loader.so", "libcuda.so.1", PLACE_LXSS, 0x4000, NULL, false },
    { "libcuda_loader.so", "libcuda.so.1.1", PLACE_LXSS, 0x4000, NULL, false },
    { "libnvidia-ml_loader.so", "libnvidia-ml.so.1", PLACE_LXSS, 0x4000, NULL, false },
    { "libnvwgf2umx.so", "libnvwgf2umx.so", PLACE_LXSS, 0x4000, NULL, false },
    { 0 },
};

static const struct package_value nvidia_values[] = {
    { "UserModeDriverName", HIVE_MULTI_SZ,
      "%13%\\nvldumdx.dll|%13%\\nvldumdx.dll|%13%\\nvldumdx.dll|%13%\\nvldumdx.dll" },
    { "UserModeDriverNameWoW", HIVE_MULTI_SZ,
      "%13%\\nvldumd.dll|%13%\\nvldumd.dll|%13%\\nvldumd.dll|%13%\\nvldumd.dll" },
    { "UserModeDriverNameWsl", HIVE_SZ, "%13%\\libnvwgf2umx.so" },
    { "InstalledDisplayDrivers", HIVE_MULTI_SZ,
      "%13%\\nvldumd|%13%\\nvldumdx|%13%\\nvldumdx|%13%\\nvldumdx" },
    { "OpenGLDriverName", HIVE_MULTI_SZ, "%13%\\nvoglv64.dll" },
    { "OpenGLDriverNameWoW", HIVE_MULTI_SZ, "%13%\\nvoglv32.dll" },
    { "VulkanDriverName", HIVE_MULTI_SZ, "%13%\\nv-vk64.json" },
    { "VulkanDriverNameWoW", HIVE_MULTI_SZ, "%13%\\nv-vk32.json" },
    { "OpenCLDriverName", HIVE_MULTI_SZ, "%13%\\nvopencl64.dll" },
    { "OpenCLDriverNameWoW", HIVE_MULTI_SZ, "%13%\\nvopencl32.dll" },
    { 0 },
};

static const struct package_model nvidia = {
    .inf = "nv_dispi.inf",
    .provider = "NVIDIA",
    .company = "NVIDIA Corporation",
    .catalog = "NV_DISP.CAT",
    .class_name = "Display",
    .class_guid = DISPLAY_CLASS,
    .section = "Section001",
    .service = "nvlddmkm",
    .service_file = "nvlddmkm.sys",
    .files = nvidia_files,
    .copies = nvidia_copies,
    .values = nvidia_values,
    .filler = "NvCamera\\Filter",
    .filler_end = ".yfx",
    .full_count = 600,
};

/* ---- Intel: iigd_dch.inf; no CopyToVm values in any that was read ---- */

static const struct package_file intel_files[] = {
    { "igdkmdn64.sys", 38000, MAKE_PE64 },
    { "igdumdim64.dll", 6100, MAKE_PE64 },
    { "igdumdim32.dll", 5600, MAKE_PE32 },
    { "igd10iumd64.dll", 29000, MAKE_PE64 },
    { "igd10iumd32.dll", 26000, MAKE_PE32 },
    { "igd12umd64.dll", 12000, MAKE_PE64 },
    { "igd12umd32.dll", 11000, MAKE_PE32 },
    { "igxelpicd64.dll", 12000, MAKE_PE64 },
    { "igxelpicd32.dll", 9600, MAKE_PE32 },
    { "igvk64.dll", 17000, MAKE_PE64 },
    { "igvk64.json", 1, MAKE_NOISE },
    { "igdrcl64.dll", 7900, MAKE_PE64 },
    { "ze_intel_gpu64.dll", 6500, MAKE_PE64 },
    { "igc64.dll", 64000, MAKE_PE64 },
    { "igd11dxva64.dll", 55000, MAKE_PE64 },
    { "libigd12umd64.so", 21000, MAKE_ELF64 },
    { "OpenCL.dll", 110, MAKE_PE64 },
    { "OpenCL32.dll", 100, MAKE_PE32 },
    { "vulkan-1-64.dll", 1200, MAKE_PE64 },
    { "vulkan-1-32.dll", 1000, MAKE_PE32 },
    { "ze_loader.dll", 480, MAKE_PE64 },
    { "ControlLib.dll", 240, MAKE_PE64 },
    { "mfx_loader_dll_hw64.dll", 300, MAKE_PE64 },
    { "vpl_dispatcher_64.dll", 330, MAKE_PE64 },
    { 0 },
};

static const struct package_copy intel_copies[] = {
    { "vulkan-1-64.dll", "vulkan-1.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "OpenCL.dll", "OpenCL.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "ze_loader.dll", "ze_loader.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "ControlLib.dll", "ControlLib.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "mfx_loader_dll_hw64.dll", "libmfxhw64.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "vpl_dispatcher_64.dll", "libvpl.dll", PLACE_SYSTEM32, 0x20, NULL, false },
    { "vulkan-1-32.dll", "vulkan-1.dll", PLACE_SYSWOW64, 0x20, NULL, false },
    { "OpenCL32.dll", "OpenCL.dll", PLACE_SYSWOW64, 0x20, NULL, false },
    { 0 },
};

static const struct package_value intel_values[] = {
    { "UserModeDriverName", HIVE_MULTI_SZ,
      "%13%\\igdumdim64.dll|%13%\\igd10iumd64.dll|%13%\\igd10iumd64.dll|%13%\\igd12umd64.dll" },
    { "UserModeDriverNameWow", HIVE_MULTI_SZ,
      "%13%\\igdumdim32.dll|%13%\\igd10iumd32.dll|%13%\\igd10iumd32.dll|%13%\\igd12umd32.dll" },
    { "UserModeDriverNameWsl", HIVE_SZ, "%13%\\libigd12umd64.so" },
    { "OpenGLDriverName", HIVE_SZ, "%13%\\igxelpicd64.dll" },
    { "OpenGLDriverNameWow", HIVE_SZ, "%13%\\igxelpicd32.dll" },
    { "VulkanDriverName", HIVE_SZ, "%13%\\igvk64.json" },
    { "OpenCLDriverName", HIVE_SZ, "%13%\\igdrcl64.dll" },
    { "LevelZeroDriverPath", HIVE_SZ, "%13%\\ze_intel_gpu64.dll" },
    { "DriverStorePathForComputeRuntime", HIVE_SZ, "%13%" },
    { "DriverStorePathForMediaSDK", HIVE_SZ, "%13%" },
    { "DriverStorePathForVPL", HIVE_SZ, "%13%" },
    { 0 },
};

static const struct package_model intel = {
    .inf = "iigd_dch.inf",
    .provider = "Intel Corporation",
    .company = "Intel Corporation",
    .catalog = "igdlh.cat",
    .class_name = "Display",
    .class_guid = DISPLAY_CLASS,
    .section = "iTGLD_w10_DS",
    .service = "igfxn",
    .service_file = "igdkmdn64.sys",
    .utf16 = true,
    .files = intel_files,
    .copies = intel_copies,
    .values = intel_values,
    .filler = "media_kernels",
    .filler_end = ".bin",
    .full_count = 120,
};

/* ---- AMD: files in a Bnnnnnnn folder; OpenGL and Vulkan in packages of their own ---- */

static const struct package_file amd_ogl_files[] = {
    { "atio6axx.dll", 44000, MAKE_PE64 },
    { "atioglxx.dll", 32000, MAKE_PE32 },
    { 0 },
};
static const struct package_value amd_no_values[] = { { 0 } };
static const struct package_model amd_ogl = {
    .inf = "amdogl.inf",
    .provider = "Advanced Micro Devices, Inc.",
    .company = "Advanced Micro Devices, Inc.",
    .catalog = "amdogl.cat",
    .class_name = "SoftwareComponent",
    .class_guid = COMPONENT_CLASS,
    .section = "AMDOGL_Install",
    .files = amd_ogl_files,
    .values = amd_no_values,
};

static const struct package_file amd_vlk_files[] = {
    { "amdvlk64.dll", 61000, MAKE_PE64 },
    { "amdvlk32.dll", 48000, MAKE_PE32 },
    { "amd-vulkan64.json", 1, MAKE_NOISE },
    { "amd-vulkan32.json", 1, MAKE_NOISE },
    { 0 },
};
static const struct package_model amd_vlk = {
    .inf = "amdvlk.inf",
    .provider = "Advanced Micro Devices, Inc.",
    .company = "Advanced Micro Devices, Inc.",
    .catalog = "amdvlk.cat",
    .class_name = "SoftwareComponent",
    .class_guid = COMPONENT_CLASS,
    .section = "AMDVLK_Install",
    .files = amd_vlk_files,
    .values = amd_no_values,
};

static const struct package_file amd_files[] = {
    { "amdkmdag.sys", 91000, MAKE_PE64 },   { "aticfx64.dll", 1500, MAKE_PE64 },
    { "aticfx32.dll", 1200, MAKE_PE32 },    { "amdxx64.dll", 31000, MAKE_PE64 },
    { "amdxx32.dll", 25000, MAKE_PE32 },    { "amdxc64.dll", 9000, MAKE_PE64 },
    { "amdxc32.dll", 7000, MAKE_PE32 },     { "amdxn64.dll", 38000, MAKE_PE64 },
    { "atidxxstub64.dll", 130, MAKE_PE64 }, { "atidxxstub32.dll", 110, MAKE_PE32 },
    { "amdxcstub64.dll", 120, MAKE_PE64 },  { "amdxcstub32.dll", 100, MAKE_PE32 },
    { "amfrt64.dll", 6900, MAKE_PE64 },     { "amfrt32.dll", 5600, MAKE_PE32 },
    { "amd_opencl64.dll", 170, MAKE_PE64 }, { "amd_opencl32.dll", 150, MAKE_PE32 },
    { "amdocl64.dll", 88000, MAKE_PE64 },   { "atiadlxx.dll", 1600, MAKE_PE64 },
    { "atiadlxy.dll", 1300, MAKE_PE32 },    { "vulkan64.dll", 1300, MAKE_PE64 },
    { "vulkan32.dll", 1100, MAKE_PE32 },    { 0 },
};

static const struct package_copy amd_copies[] = {
    { "amfrt64.dll", "amfrt64.dll", PLACE_SYSTEM32, 0x4000, "AmfRt64", true },
    { "amd_opencl64.dll", "OpenCL.dll", PLACE_SYSTEM32, 0x4020, "OpenCL64", false },
    { "vulkan64.dll", "vulkan-1.dll", PLACE_SYSTEM32, 0x4020, NULL, false },
    { "atidxxstub64.dll", "atidxx64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "amdxcstub64.dll", "amdxc64.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "atiadlxx.dll", "atiadlxx.dll", PLACE_SYSTEM32, 0x4000, NULL, false },
    { "amfrt32.dll", "amfrt32.dll", PLACE_SYSWOW64, 0x4000, "AmfRt32", true },
    { "amd_opencl32.dll", "OpenCL.dll", PLACE_SYSWOW64, 0x4020, "OpenCL32", false },
    { "vulkan32.dll", "vulkan-1.dll", PLACE_SYSWOW64, 0x4020, NULL, false },
    { "atidxxstub32.dll", "atidxx32.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "amdxcstub32.dll", "amdxc32.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { "atiadlxy.dll", "atiadlxx.dll", PLACE_SYSWOW64, 0x4000, NULL, false },
    { 0 },
};

/* "%c0%", "%c1%": the companions' folders. */
static const struct package_value amd_values[] = {
    { "UserModeDriverName", HIVE_MULTI_SZ,
      "%13%\\aticfx64.dll|%13%\\amdxx64.dll|%13%\\amdxx64.dll|%13%\\amdxc64.dll" },
    { "UserModeDriverNameWow", HIVE_MULTI_SZ,
      "%13%\\aticfx32.dll|%13%\\amdxx32.dll|%13%\\amdxx32.dll|%13%\\amdxc32.dll" },
    { "OpenGLDriverName", HIVE_MULTI_SZ, "%c0%\\atio6axx.dll" },
    { "OpenGLDriverNameWow", HIVE_MULTI_SZ, "%c0%\\atioglxx.dll" },
    { "VulkanDriverName", HIVE_MULTI_SZ, "%c1%\\amd-vulkan64.json" },
    { "VulkanDriverNameWow", HIVE_MULTI_SZ, "%c1%\\amd-vulkan32.json" },
    { "OpenCLDriverName", HIVE_MULTI_SZ, "%13%\\amdocl64.dll" },
    { 0 },
};

static const struct package_model *const amd_companions[] = { &amd_ogl, &amd_vlk, NULL };
static const struct package_model amd = {
    .inf = "u0404325.inf",
    .provider = "Advanced Micro Devices, Inc.",
    .company = "Advanced Micro Devices, Inc.",
    .catalog = "u0404325.cat",
    .class_name = "Display",
    .class_guid = DISPLAY_CLASS,
    .section = "ati2mtag_Navi31",
    .service = "amdwddmg",
    .service_file = "amdkmdag.sys",
    .subdir = "B404214",
    .files = amd_files,
    .copies = amd_copies,
    .values = amd_values,
    .companions = amd_companions,
    .filler = "detoured",
    .filler_end = ".bin",
    .full_count = 300,
};

const struct package_model *package_model_of(enum sim_driver driver)
{
    switch (driver) {
    case SIM_DRIVER_NVIDIA:
        return &nvidia;
    case SIM_DRIVER_INTEL:
        return &intel;
    case SIM_DRIVER_AMD:
        return &amd;
    case SIM_DRIVER_NONE:
        break;
    }
    return NULL;
}
