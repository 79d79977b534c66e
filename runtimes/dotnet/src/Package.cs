using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.Loader;

namespace Fungraph
{
    /// <summary>
    /// The function's assemblies: those of its package, then .NET's own, then the API of the service as we have it. Of an assembly that
    /// both the package and .NET have, the later version wins, as .NET's own host chooses; so a package may bring a newer library, and a
    /// self-contained one does not bring its whole .NET.
    /// </summary>
    sealed class Package : AssemblyLoadContext
    {
        readonly string root;
        readonly string main;
        readonly Dictionary<string, string> platform = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        AssemblyDependencyResolver resolver;
        bool hasResolver;

        Package(string root, string main)
        {
            this.root = root;
            this.main = main;
            string trusted = AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "";
            foreach (string file in trusted.Split(':'))
            {
                platform[Path.GetFileNameWithoutExtension(file)] = file;
            }
        }

        /// <summary>The package whose main assembly has this name. What is loaded elsewhere finds its assemblies too.</summary>
        internal static Package Of(string root, string main)
        {
            var package = new Package(root, Path.Combine(root, main + ".dll"));
            Default.Resolving += (_, name) => package.Own(name);
            AppDomain.CurrentDomain.SetData("APP_CONTEXT_BASE_DIRECTORY", root.TrimEnd('/') + "/");
            return package;
        }

        /// <summary>The assembly of a name in a handler.</summary>
        internal Assembly Named(string name)
        {
            string file = Path.Combine(root, name + ".dll");
            if (!File.Exists(file))
            {
                throw Failure.Load(Missing(name), null);
            }
            try
            {
                return LoadFromAssemblyPath(file);
            }
            catch (Exception broken) when (broken is BadImageFormatException || broken is FileLoadException)
            {
                throw Failure.Load("assembly '" + name + ".dll' cannot be loaded: " + broken.Message, null);
            }
        }

        protected override Assembly Load(AssemblyName name)
        {
            Assembly own = Own(name);
            return own ?? (platform.ContainsKey(name.Name) ? null : Elsewhere(name));
        }

        protected override IntPtr LoadUnmanagedDll(string name)
        {
            foreach (string file in new[] { name, name + ".so", "lib" + name + ".so", "lib" + name })
            {
                string path = Path.Combine(root, file);
                if (File.Exists(path))
                {
                    return LoadUnmanagedDllFromPath(path);
                }
            }
            string resolved = Resolver()?.ResolveUnmanagedDllToPath(name);
            return resolved == null ? IntPtr.Zero : LoadUnmanagedDllFromPath(resolved);
        }

        /// <summary>An assembly of the package.</summary>
        Assembly Own(AssemblyName name)
        {
            string file = FileOf(name);
            return file == null || PlatformHas(name.Name, file) ? null : LoadFromAssemblyPath(file);
        }

        /// <summary>
        /// Libraries that differ from system to system lie below `runtimes`, and what lies at the root then is for those that have none: the
        /// package's own list knows.
        /// </summary>
        string FileOf(AssemblyName name)
        {
            if (Directory.Exists(Path.Combine(root, "runtimes")))
            {
                string listed = Resolver()?.ResolveAssemblyToPath(name);
                if (listed != null)
                {
                    return listed;
                }
            }
            string culture = name.CultureName ?? "";
            string file = Path.Combine(root, culture, name.Name + ".dll");
            return File.Exists(file) ? file : null;
        }

        bool PlatformHas(string name, string file)
        {
            string theirs;
            if (!platform.TryGetValue(name, out theirs))
            {
                return false;
            }
            try
            {
                return AssemblyName.GetAssemblyName(theirs).Version >= AssemblyName.GetAssemblyName(file).Version;
            }
            catch (BadImageFormatException)
            {
                return true;
            }
        }

        AssemblyDependencyResolver Resolver()
        {
            if (!hasResolver)
            {
                hasResolver = true;
                try
                {
                    resolver = new AssemblyDependencyResolver(main);
                }
                catch (InvalidOperationException)
                {
                    // The package's list is no such list: what lies at its root is all there is.
                    resolver = null;
                }
            }
            return resolver;
        }

        /// <summary>What neither has: our own assembly, the service's API as we have it, or a part of ASP.NET that this host has.</summary>
        Assembly Elsewhere(AssemblyName name)
        {
            Assembly ours = typeof(Package).Assembly;
            if (name.Name == ours.GetName().Name)
            {
                return ours;
            }
            using (Stream api = ours.GetManifestResourceStream(name.Name + ".dll"))
            {
                if (api != null)
                {
                    return LoadFromStream(api);
                }
            }
            string framework = Path.GetDirectoryName(typeof(object).Assembly.Location);
            string version = Path.GetFileName(framework);
            string web = Path.Combine(framework, "..", "..", "Microsoft.AspNetCore.App", version, name.Name + ".dll");
            return File.Exists(web) ? LoadFromAssemblyPath(Path.GetFullPath(web)) : null;
        }

        string Missing(string name)
        {
            string text = "not found assembly '" + name + ".dll' in the code package";
            string[] elsewhere = Directory.GetFiles(root, name + ".dll", SearchOption.AllDirectories);
            if (elsewhere.Length > 0)
            {
                string place = elsewhere[0].Substring(root.Length).TrimStart('/');
                return text + "; it is at '" + place + "': pack the content of the publish folder, not the folder";
            }
            bool any = Directory.GetFiles(root, "*.dll", SearchOption.AllDirectories).Length > 0;
            return any ? text : text + ", which has no assemblies at all: send the output of dotnet publish, not sources";
        }
    }
}
