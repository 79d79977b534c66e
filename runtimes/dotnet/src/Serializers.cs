using System;
using System.IO;
using System.Reflection;
using System.Runtime.Loader;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Fungraph
{
    /// <summary>Between the bytes outside and the types of a handler.</summary>
    interface ISerializer
    {
        object Read(Stream input, Type type);

        Stream Write(object value);

        /// <summary>Whether what it wrote is JSON.</summary>
        bool WritesJson(byte[] written);
    }

    /// <summary>Which serializer a handler has: what its method says, else what its assembly says, else JSON.</summary>
    static class Serializers
    {
        internal static ISerializer Of(MethodInfo method)
        {
            Type named = Named(method.GetCustomAttributesData()) ?? Named(method.Module.Assembly.GetCustomAttributesData());
            if (named != null)
            {
                return new OwnSerializer(named);
            }
            return Json.Of(method.Module.Assembly);
        }

        static Type Named(System.Collections.Generic.IList<CustomAttributeData> attributes)
        {
            foreach (CustomAttributeData attribute in attributes)
            {
                if (attribute.AttributeType.Name == "FunctionSerializerAttribute" && attribute.ConstructorArguments.Count == 1)
                {
                    return attribute.ConstructorArguments[0].Value as Type;
                }
            }
            return null;
        }
    }

    /// <summary>The one that FunctionSerializer names: whatever interface it implements, these are its methods.</summary>
    sealed class OwnSerializer : ISerializer
    {
        readonly object serializer;
        readonly MethodInfo read;
        readonly MethodInfo write;

        internal OwnSerializer(Type type)
        {
            read = Generic(type, "Deserialize", typeof(Stream));
            write = Generic(type, "Serialize", null);
            if (read == null || write == null)
            {
                throw Failure.Config("class '" + type.FullName + "' is no serializer: it needs public T Deserialize<T>(Stream) and "
                    + "Stream Serialize<T>(T)");
            }
            try
            {
                serializer = Activator.CreateInstance(type);
            }
            catch (MissingMethodException)
            {
                throw Failure.Config("serializer '" + type.FullName + "' has no public constructor without parameters");
            }
        }

        public object Read(Stream input, Type type)
        {
            return read.MakeGenericMethod(type).Invoke(serializer, BindingFlags.DoNotWrapExceptions, null, new object[] { input }, null);
        }

        public Stream Write(object value)
        {
            MethodInfo method = write.MakeGenericMethod(value.GetType());
            return (Stream)method.Invoke(serializer, BindingFlags.DoNotWrapExceptions, null, new[] { value }, null) ?? Stream.Null;
        }

        public bool WritesJson(byte[] written)
        {
            try
            {
                JsonDocument.Parse(written).Dispose();
                return true;
            }
            catch (JsonException)
            {
                return false;
            }
        }

        static MethodInfo Generic(Type type, string name, Type parameter)
        {
            foreach (MethodInfo method in type.GetMethods())
            {
                ParameterInfo[] parameters = method.GetParameters();
                bool fits = method.Name == name && method.IsGenericMethodDefinition && method.GetGenericArguments().Length == 1
                    && parameters.Length == 1;
                if (fits && (parameter == null || parameters[0].ParameterType == parameter))
                {
                    return method;
                }
            }
            return null;
        }
    }

    /// <summary>
    /// System.Text.Json: .NET's, or the one that the package brings, whose attributes its types then have. Names are read whatever their
    /// case, as the service's own serializer reads them, and no letter is escaped that need not be.
    /// </summary>
    sealed class Json : ISerializer
    {
        readonly Func<string, Type, object> read;
        readonly Func<object, string> write;

        Json(Func<string, Type, object> read, Func<object, string> write)
        {
            this.read = read;
            this.write = write;
        }

        internal static Json Of(Assembly function)
        {
            Assembly ours = typeof(JsonSerializer).Assembly;
            AssemblyLoadContext context = AssemblyLoadContext.GetLoadContext(function);
            Assembly theirs = context is Package ? context.LoadFromAssemblyName(new AssemblyName("System.Text.Json")) : ours;
            if (theirs != ours)
            {
                return Theirs(theirs);
            }
            var options = new JsonSerializerOptions
            {
                PropertyNameCaseInsensitive = true,
                Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            };
            return new Json(
                (text, type) => JsonSerializer.Deserialize(text, type, options),
                value => JsonSerializer.Serialize(value, value.GetType(), options));
        }

        public object Read(Stream input, Type type)
        {
            using (var reader = new StreamReader(input, Encoding.UTF8))
            {
                return read(reader.ReadToEnd(), type);
            }
        }

        public Stream Write(object value)
        {
            return new MemoryStream(Encoding.UTF8.GetBytes(write(value)));
        }

        public bool WritesJson(byte[] written)
        {
            return true;
        }

        static Json Theirs(Assembly library)
        {
            Type options = library.GetType("System.Text.Json.JsonSerializerOptions", true);
            object set = Activator.CreateInstance(options);
            options.GetProperty("PropertyNameCaseInsensitive").SetValue(set, true);
            PropertyInfo encoder = options.GetProperty("Encoder");
            PropertyInfo relaxed = encoder.PropertyType.GetProperty("UnsafeRelaxedJsonEscaping");
            encoder.SetValue(set, relaxed?.GetValue(null));
            Type serializer = library.GetType("System.Text.Json.JsonSerializer", true);
            MethodInfo reads = serializer.GetMethod("Deserialize", new[] { typeof(string), typeof(Type), options });
            MethodInfo writes = serializer.GetMethod("Serialize", new[] { typeof(object), typeof(Type), options });
            const BindingFlags plain = BindingFlags.DoNotWrapExceptions;
            return new Json(
                (text, type) => reads.Invoke(null, plain, null, new[] { text, type, set }, null),
                value => (string)writes.Invoke(null, plain, null, new[] { value, value.GetType(), set }, null));
        }
    }
}
