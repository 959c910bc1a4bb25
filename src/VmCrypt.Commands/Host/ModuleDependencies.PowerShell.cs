using System.Management.Automation;
using System.Reflection;
using System.Runtime.Loader;

namespace VmCrypt.Commands.Host;

/// <summary>Finds the libraries of others that we use in our own lib/ folder, and keeps them to ourselves.</summary>
/// <remarks>
/// They go into a load context of their own: a module that brings another version of the same library then neither gets
/// ours nor gives us its own. Our own assemblies stay in the default context, so that scripts can name their types.
/// </remarks>
public sealed class ModuleDependencies : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly string s_folder = Path.Combine(Path.GetDirectoryName(typeof(ModuleDependencies).Assembly.Location)!, "lib");
    private static readonly AssemblyLoadContext s_context = new("VmCrypt");

    public void OnImport() => AssemblyLoadContext.Default.Resolving += Resolve;

    public void OnRemove(PSModuleInfo psModuleInfo) => AssemblyLoadContext.Default.Resolving -= Resolve;

    private static Assembly? Resolve(AssemblyLoadContext context, AssemblyName name)
    {
        string path = Path.Combine(s_folder, name.Name + ".dll");
        return File.Exists(path) ? s_context.LoadFromAssemblyPath(path) : null;
    }
}
